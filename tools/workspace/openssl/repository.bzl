"""The libcrypto of OpenSSL, for SHA-256, from the distribution."""

load("//tools/workspace:system_library.bzl", "system_library")

def openssl_repository(name):
    system_library(
        name = name,
        build_file = "//tools/workspace/openssl:package.BUILD.bazel",
        packages = ["libssl-dev"],
        pkg_config = {"CRYPTO": ["libcrypto"]},
    )
