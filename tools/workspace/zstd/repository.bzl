"""libzstd, for Zstandard files, from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def zstd_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/zstd:package.BUILD.bazel",
        packages = ["libzstd-dev"],
        pkg_config = {"ZSTD": ["libzstd"]},
    )
