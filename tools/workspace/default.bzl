"""The one list of what the build uses from outside this repository."""

load("//tools/workspace/abseil:repository.bzl", "abseil_repository")
load("//tools/workspace/benchmark:repository.bzl", "benchmark_repository")
load("//tools/workspace/cli11:repository.bzl", "cli11_repository")
load("//tools/workspace/googletest:repository.bzl", "googletest_repository")
load("//tools/workspace/highway:repository.bzl", "highway_repository")
load("//tools/workspace/json:repository.bzl", "json_repository")
load("//tools/workspace/libtorch:repository.bzl", "libtorch_repository")
load("//tools/workspace/openssl:repository.bzl", "openssl_repository")
load("//tools/workspace/protobuf:repository.bzl", "protobuf_repository")
load("//tools/workspace/rules:repository.bzl", "bazel_rules_repositories")
load("//tools/workspace/zlib:repository.bzl", "zlib_repository")
load("//tools/workspace/zstd:repository.bzl", "zstd_repository")

def add_default_repositories():
    """Declares every external repository, each from an installed package."""
    bazel_rules_repositories()
    abseil_repository(name = "com_google_absl")
    benchmark_repository(name = "com_github_google_benchmark")
    cli11_repository(name = "cli11")
    googletest_repository(name = "com_google_googletest")
    highway_repository(name = "com_google_highway")
    json_repository(name = "nlohmann_json")
    libtorch_repository(name = "libtorch")
    openssl_repository(name = "openssl")
    protobuf_repository(name = "com_google_protobuf")
    zlib_repository(name = "zlib")
    zstd_repository(name = "zstd")
