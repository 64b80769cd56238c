"""Turns a library that the distribution installed into a Bazel repository.

The headers of such a library lie outside every Bazel package, so Bazel does not
see them change. Each repository therefore carries a stamp, a header that nothing
includes but that every action which uses the library has among its inputs: it
holds the versions of the packages the library came from, of the compiler and of
the distribution. An upgrade of any of them gives other actions, and a disk cache
that several machines or roots share never mixes their objects.
"""

_QUERY_VERSIONS = ["dpkg-query", "--show", "--showformat=${Package} ${Version} ${Architecture}\\n"]

def _output(repository_ctx, command):
    result = repository_ctx.execute(command)
    if result.return_code != 0:
        fail("@%s: `%s` failed; run ./bazelw, which installs what the build needs.\n%s" % (
            repository_ctx.name,
            " ".join(command),
            result.stderr,
        ))
    return result.stdout

def write_stamp(repository_ctx, packages, extra = ""):
    """Writes stamp.h, which changes whenever an upgrade could change objects.

    Args:
      repository_ctx: the context of the repository rule.
      packages: names of the distribution's packages the library comes from.
      extra: any other text the library's objects depend on.
    """
    versions = _output(repository_ctx, _QUERY_VERSIONS + packages) if packages else ""
    compiler = repository_ctx.os.environ.get("CC", "gcc")
    compiler_version = _output(repository_ctx, [compiler, "--version"])
    lines = [line for line in (versions + compiler_version + extra).split("\n") if line]
    repository_ctx.file("stamp.h", "".join(["// %s\n" % line for line in lines]), executable = False)

def pkg_config_libs(repository_ctx, modules):
    """Returns the linker options that pkg-config gives for `modules`."""
    text = _output(repository_ctx, ["pkg-config", "--libs"] + modules)
    return [option for option in text.strip().split(" ") if option]

def _system_library_impl(repository_ctx):
    write_stamp(repository_ctx, repository_ctx.attr.packages)
    substitutions = {}
    for key, modules in repository_ctx.attr.pkg_config.items():
        substitutions["{%s}" % key] = str(pkg_config_libs(repository_ctx, modules))
    repository_ctx.template("BUILD.bazel", repository_ctx.attr.build_file, substitutions)

system_library = repository_rule(
    implementation = _system_library_impl,
    doc = "A library from the distribution's packages, with a BUILD file of ours.",
    # `local`: looked at again whenever the Bazel server starts.
    local = True,
    environ = ["CC"],
    attrs = {
        "build_file": attr.label(
            mandatory = True,
            doc = "Template of the repository's BUILD file.",
        ),
        "packages": attr.string_list(
            mandatory = True,
            doc = "Packages whose versions go into the stamp.",
        ),
        "pkg_config": attr.string_list_dict(
            doc = "For each `{KEY}` of the template, the pkg-config modules whose linker options replace it.",
        ),
    },
)
