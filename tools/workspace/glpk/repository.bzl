"""GLPK, which solves linear programs, from the distribution. For tests only."""

load("//tools/workspace:system_library.bzl", "system_library")

def glpk_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/glpk:package.BUILD.bazel",
        packages = ["libglpk-dev"],
    )
