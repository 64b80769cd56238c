#include "moe/base/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe::base {

namespace {

// These calls of libcrypto fail only without memory, or if it was built without
// SHA-256.
void ThrowUnless(bool has_worked) {
  if (!has_worked) throw std::bad_alloc();
}

}  // namespace

struct Sha256::Context {
  Context() : evp(EVP_MD_CTX_new()) { ThrowUnless(evp != nullptr); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(evp); }

  EVP_MD_CTX* const evp;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  ThrowUnless(EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) == 1);
}

Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::Update(absl::string_view bytes) {
  ThrowUnless(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::Digest() const {
  // Finishing a copy leaves this one open for more.
  Context copy;
  ThrowUnless(EVP_MD_CTX_copy_ex(copy.evp, context_->evp) == 1);
  Sha256Digest digest;
  unsigned int size_bytes = 0;
  ThrowUnless(EVP_DigestFinal_ex(copy.evp, digest.data(), &size_bytes) == 1);
  MOE_CHECK(size_bytes == digest.size());
  return digest;
}

std::string Sha256::HexDigest() const {
  const Sha256Digest digest = Digest();
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(digest.data()), digest.size()));
}

Sha256Digest Sha256Of(absl::string_view bytes) {
  Sha256 sha256;
  sha256.Update(bytes);
  return sha256.Digest();
}

std::string HexSha256Of(absl::string_view bytes) {
  Sha256 sha256;
  sha256.Update(bytes);
  return sha256.HexDigest();
}

absl::StatusOr<std::string> HexSha256OfFile(absl::string_view path) {
  constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                       RandomAccessFile::Open(path));
  std::string piece(std::min(kPieceBytes, file.size_bytes()), '\0');
  Sha256 sha256;
  for (uint64_t offset = 0; offset < file.size_bytes();
       offset += piece.size()) {
    piece.resize(std::min<uint64_t>(kPieceBytes, file.size_bytes() - offset));
    MOE_RETURN_IF_ERROR(file.Read(offset, absl::MakeSpan(piece)));
    sha256.Update(piece);
  }
  return sha256.HexDigest();
}

}  // namespace moe::base
