"""PCRE2, regular expressions with just-in-time compilation, from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def pcre2_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/pcre2:package.BUILD.bazel",
        packages = ["libpcre2-dev"],
        pkg_config = {"PCRE2": ["libpcre2-8"]},
    )
