"""Protocol Buffers from the distribution: protoc and the C++ runtime."""

load("//tools/workspace:system_library.bzl", "system_library")

def protobuf_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/protobuf:package.BUILD.bazel",
        packages = ["libprotobuf-dev", "protobuf-compiler"],
        pkg_config = {"PROTOBUF": ["protobuf"]},
    )
