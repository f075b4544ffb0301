#!/bin/sh
# Makes a Docker image of the redis-server installed on this machine (on Debian, the package
# redis-server), without a registry: the server, the libraries it loads, and nothing else.
#
#   tests/docker_image.sh [IMAGE]
#
# prints the image's name, for REDIS_IMAGE. As with the official images, arguments of the container
# that begin with a dash are options of the server.
set -eu

server=$(command -v redis-server) || {
    echo "redis-server is not installed (on Debian: apt-get install redis-server)" >&2
    exit 1
}
version=$("$server" --version | sed -n 's/.* v=\([0-9]*\.[0-9]*\).*/\1/p')
image=${1:-pynenc-redis-lua-test/redis:$version}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root/usr/bin" "$root/tmp"
chmod 1777 "$root/tmp"
cp -L "$server" "$root/usr/bin/redis-server"

# Each library, and the loader itself, goes where the loader looks for it.
ldd "$server" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' |
    while read -r library; do
        mkdir -p "$root${library%/*}"
        cp -L "$library" "$root$library"
    done

tar -C "$root" --owner=0 --group=0 -c . | docker import \
    --change 'ENTRYPOINT ["redis-server"]' \
    --change 'CMD ["--bind", "0.0.0.0", "--protected-mode", "no"]' \
    --change 'ENV PATH=/usr/bin' \
    --change 'EXPOSE 6379' \
    --change 'WORKDIR /tmp' \
    --change 'USER 65534:65534' \
    - "$image" >/dev/null
echo "$image"
