"""The stored procedures: from a Lua file with a header to a typed Python method.

definition  reads the header of a Lua file, the only declaration of a script
render      turns the file into the text that the server runs
library     all scripts of a folder, and the files generated from them
runner      calls them: EVALSHA, reload, retries, typed errors
api         one typed method per script (generated, do not edit)
"""
