"""zlib, for gzip files, from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def zlib_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/zlib:package.BUILD.bazel",
        packages = ["zlib1g-dev"],
        pkg_config = {"ZLIB": ["zlib"]},
    )
