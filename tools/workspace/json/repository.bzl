"""nlohmann-json from the distribution (headers only)."""

load("//tools/workspace:system_library.bzl", "system_library")

def json_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/json:package.BUILD.bazel",
        packages = ["nlohmann-json3-dev"],
        pkg_config = {},
    )
