"""Bazel's rule sets, from the distribution's bazel-* packages.

A rule set that this Bazel does not ask for is never fetched, so a path that is
missing matters only when it is used, and then the error names the package.
"""

# rules_cc 0.0.4 loads `use_cpp_toolchain`, which Bazel 4.2.3 does not have. What
# it stands for is the same toolchain type in every Bazel, so it is put in place.
_REPLACED = {
    'find_cpp_toolchain", "use_cpp_toolchain")': 'find_cpp_toolchain")',
    "use_cpp_toolchain()": '["@bazel_tools//tools/cpp:toolchain_type"]',
}

_CPP_TOOLCHAIN_USERS = [
    "cc/private/rules_impl/cc_flags_supplier.bzl",
    "cc/private/rules_impl/compiler_flag.bzl",
]

def _replace_in_copy(repository_ctx, path):
    text = repository_ctx.read(path)
    for old, new in _REPLACED.items():
        text = text.replace(old, new)
    repository_ctx.file(path, text, executable = False)

def _system_rules_impl(repository_ctx):
    root = repository_ctx.path(repository_ctx.attr.path)
    if not root.exists:
        fail("%s is missing: run ./bazelw, which installs the package %s" % (
            repository_ctx.attr.path,
            repository_ctx.attr.package,
        ))

    # A copy, so that what is patched is never the installed file.
    result = repository_ctx.execute(["cp", "-rL", "--no-preserve=all", str(root) + "/.", "."])
    if result.return_code != 0:
        fail("copying %s: %s" % (root, result.stderr))
    if not repository_ctx.path("WORKSPACE").exists:
        repository_ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % repository_ctx.name)
    for path in _CPP_TOOLCHAIN_USERS if repository_ctx.attr.patch_cpp_toolchain else []:
        if repository_ctx.path(path).exists:
            _replace_in_copy(repository_ctx, path)

_system_rules = repository_rule(
    implementation = _system_rules_impl,
    local = True,
    attrs = {
        "path": attr.string(mandatory = True),
        "package": attr.string(mandatory = True),
        "patch_cpp_toolchain": attr.bool(),
    },
)

def _coverage_tools_impl(repository_ctx):
    repository_ctx.file(
        "BUILD.bazel",
        "\n".join([
            "filegroup(name = \"%s\", visibility = [\"//visibility:public\"])" % name
            for name in ["coverage_report_generator", "lcov_merger"]
        ]) + "\n",
        executable = False,
    )

# Bazel looks at this repository for every test, though only `bazel coverage` runs
# what is in it; its own definition would be a download.
_coverage_tools = repository_rule(implementation = _coverage_tools_impl)

def bazel_rules_repositories():
    """Declares the rule sets that the build loads or that Bazel itself asks for."""
    _system_rules(
        name = "rules_cc",
        package = "bazel-rules-cc",
        patch_cpp_toolchain = True,
        path = "/usr/share/bazel/rules/cc",
    )
    _coverage_tools(name = "remote_coverage_tools")
    for name, package, path in [
        ("rules_java", "bazel-rules-java", "rules/java"),
        ("rules_proto", "bazel-rules-proto", "rules/proto"),
        ("rules_python", "bazel-rules-python", "rules/python"),
        ("rules_license", "bazel-rules-license", "rules/license"),
        ("platforms", "bazel-platforms", "tools/platforms"),
        ("bazel_skylib", "bazel-skylib", "tools/skylib"),
        ("bazel_features", "bazel-features", "tools/features"),
    ]:
        _system_rules(
            name = name,
            package = package,
            path = "/usr/share/bazel/" + path,
        )
