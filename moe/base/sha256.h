// SHA-256 (FIPS 180-4), streaming, by OpenSSL's libcrypto.
//
// Digests identify inputs and outputs in lock files, so they are always written
// the same way: 64 lower-case hexadecimal digits.

#ifndef MOE_BASE_SHA256_H_
#define MOE_BASE_SHA256_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::base {

using Sha256Digest = std::array<uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void Update(absl::string_view bytes);

  // The digest of everything given so far. More may be given afterwards.
  Sha256Digest Digest() const;
  std::string HexDigest() const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Sha256Digest Sha256Of(absl::string_view bytes);
std::string HexSha256Of(absl::string_view bytes);

// Reads the file in pieces of 1 MiB. Errors are those of RandomAccessFile.
absl::StatusOr<std::string> HexSha256OfFile(absl::string_view path);

}  // namespace moe::base

#endif  // MOE_BASE_SHA256_H_
