"""Abseil from the distribution, under the labels that Abseil's own build has."""

load("//tools/workspace:system_library.bzl", "pkg_config_libs", "write_stamp")

# Package under absl/ -> target -> the pkg-config module that links it.
_TARGETS = {
    "base": {"core_headers": "absl_core_headers"},
    "cleanup": {"cleanup": "absl_cleanup"},
    "container": {
        "flat_hash_map": "absl_flat_hash_map",
        "flat_hash_set": "absl_flat_hash_set",
        "btree": "absl_btree",
    },
    "functional": {"function_ref": "absl_function_ref"},
    "memory": {"memory": "absl_memory"},
    "numeric": {"bits": "absl_bits", "int128": "absl_int128"},
    "status": {"status": "absl_status", "statusor": "absl_statusor"},
    "strings": {
        "cord": "absl_cord",
        "str_format": "absl_str_format",
        "strings": "absl_strings",
    },
    "synchronization": {"synchronization": "absl_synchronization"},
    "time": {"time": "absl_time"},
    "types": {"optional": "absl_optional", "span": "absl_span"},
}

_LIBRARY = """
cc_library(
    name = "{name}",
    hdrs = ["//:stamp.h"],
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _abseil_impl(repository_ctx):
    write_stamp(repository_ctx, ["libabsl-dev"])
    repository_ctx.file("BUILD.bazel", "exports_files([\"stamp.h\"])\n", executable = False)
    for package, targets in _TARGETS.items():
        text = "load(\"@rules_cc//cc:defs.bzl\", \"cc_library\")\n"
        for name, module in targets.items():
            text += _LIBRARY.format(
                name = name,
                linkopts = pkg_config_libs(repository_ctx, [module]),
            )
        repository_ctx.file("absl/%s/BUILD.bazel" % package, text, executable = False)

abseil_repository = repository_rule(
    implementation = _abseil_impl,
    local = True,
    environ = ["CC"],
)
