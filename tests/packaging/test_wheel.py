"""The wheel works where there is nothing but the wheel."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

USE = """
from pynenc import PynencBuilder
from pynenc.identifiers.invocation_id import InvocationId
import pynenc_redis_lua

app = PynencBuilder().app_id("wheel").redis_embedded({folder!r}).build()
app.state_backend._set_result(InvocationId("a"), "stored by " + pynenc_redis_lua.__file__)
print(app.state_backend._get_result(InvocationId("a")))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for the embedded server: the path of a Unix socket must be short."""
    with tempfile.TemporaryDirectory(prefix="prl-") as folder:
        yield Path(folder)


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_wheel_holds_every_script_and_the_type_marker(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())

    expected = {
        f"pynenc_redis_lua/lua/{path.relative_to(ROOT / 'lua').as_posix()}"
        for path in (ROOT / "lua").rglob("*")
        if path.is_file()
    }
    assert expected | {"pynenc_redis_lua/py.typed"} <= packed
    assert not {name for name in packed if name.startswith(("tests/", "examples/", "lua/"))}


def test_the_wheel_works_in_an_empty_environment_from_another_folder(
    wheel: Path, tmp_path: Path, short_folder: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{wheel}[embedded]")

    said = run(python, "-c", USE.format(folder=str(short_folder)), cwd=tmp_path)

    assert f"stored by {tmp_path}/venv/" in said


def test_the_editable_install_works_from_another_folder(tmp_path: Path, short_folder: Path) -> None:
    said = run(sys.executable, "-c", USE.format(folder=str(short_folder)), cwd=tmp_path)

    assert f"stored by {ROOT}/src/" in said
