"""Tests of the whole program."""

_PROGRAM = "//tools:llama_moe"
_FLUSH_TO_ZERO = "//moe/kernels/testing:libflush_to_zero.so"

def program_test(name, size, args = [], data = [], **kwargs):
    """NAME.sh, which is given the program and what `args` says."""
    native.sh_test(
        name = name,
        size = size,
        srcs = [name + ".sh"],
        args = ["$(rootpath %s)" % _PROGRAM] + args,
        data = [_PROGRAM, "//testdata:fixtures", "//testdata:stories"] + data,
        **kwargs
    )

def bits_test(name, data = []):
    """Holds results to be the same on every machine: see every_machine.sh."""
    program_test(
        name = name,
        size = "large",
        args = ["$(rootpath %s)" % _FLUSH_TO_ZERO],
        data = ["every_machine.sh", _FLUSH_TO_ZERO] + data,
    )

def interop_test(name, size, python, imports = [], data = []):
    """Compares with Python, if MOE_PYTHON names one.

    Args:
      name: NAME.sh runs the comparison.
      size: as of a test.
      python: programs of //tools/python, whose paths NAME.sh is given.
      imports: files of //tools/python that these import.
      data: what else it reads.
    """
    programs = ["//tools/python:" + file for file in python]
    program_test(
        name = name,
        size = size,
        args = ["$(rootpath %s)" % file for file in programs],
        data = ["interop_python.sh"] + programs +
               ["//tools/python:" + file for file in imports] + data,
    )
