"""GoogleTest and GoogleMock from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def googletest_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/googletest:package.BUILD.bazel",
        packages = ["libgtest-dev", "libgmock-dev"],
        pkg_config = {"GMOCK": ["gmock"], "GMOCK_MAIN": ["gmock_main"]},
    )
