"""utf8proc, the Unicode normal forms and character categories, from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def utf8proc_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/utf8proc:package.BUILD.bazel",
        packages = ["libutf8proc-dev"],
        pkg_config = {"UTF8PROC": ["libutf8proc"]},
    )
