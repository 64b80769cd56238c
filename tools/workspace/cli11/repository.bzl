"""CLI11, the command-line parser, from the distribution (headers only)."""

load("//tools/workspace:system_library.bzl", "system_library")

def cli11_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/cli11:package.BUILD.bazel",
        packages = ["libcli11-dev"],
        pkg_config = {},
    )
