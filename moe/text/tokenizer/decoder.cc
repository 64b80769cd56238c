#include "moe/text/tokenizer/decoder.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/byte_alphabet.h"
#include "moe/text/tokenizer/normalizer.h"
#include "moe/text/tokenizer/pattern.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

using Tokens = std::vector<std::string>;

// The byte of a token <0xNN>. The tokenizers package reads NN with Rust's
// from_str_radix, which also takes a plus and one digit.
std::optional<char> ByteOfToken(absl::string_view token) {
  if (token.size() != 6 || !absl::StartsWith(token, "<0x") || token[5] != '>') {
    return std::nullopt;
  }
  absl::string_view digits = token.substr(3, 2);
  if (digits[0] == '+') digits.remove_prefix(1);
  for (const char c : digits) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
  }
  uint32_t value = 0;
  if (!absl::SimpleHexAtoi(digits, &value)) return std::nullopt;
  return static_cast<char>(value);
}

size_t TotalBytes(const Tokens& tokens) {
  size_t total = 0;
  for (const std::string& token : tokens) total += token.size();
  return total;
}

void FlushBytes(std::string* bytes, Tokens* out) {
  if (bytes->empty()) return;
  if (IsWellFormedUtf8(*bytes)) {
    out->push_back(*bytes);
  } else {
    out->insert(out->end(), bytes->size(), std::string(kReplacementCharacter));
  }
  bytes->clear();
}

std::string StripToken(const StripDecoder& strip, absl::string_view token) {
  const std::string& character = strip.character;
  for (size_t i = 0; i < strip.start && absl::StartsWith(token, character);
       ++i) {
    token.remove_prefix(character.size());
  }
  for (size_t i = 0; i < strip.stop && absl::EndsWith(token, character); ++i) {
    token.remove_suffix(character.size());
  }
  return std::string(token);
}

struct RunDecoderStep {
  Tokens tokens;
  size_t max_bytes;
  RegexScratch& scratch;

  absl::StatusOr<Tokens> operator()(const ByteFallbackDecoder&) {
    Tokens out;
    std::string bytes;
    for (std::string& token : tokens) {
      if (const std::optional<char> byte = ByteOfToken(token)) {
        bytes.push_back(*byte);
      } else {
        FlushBytes(&bytes, &out);
        out.push_back(std::move(token));
      }
    }
    FlushBytes(&bytes, &out);
    return out;
  }

  absl::StatusOr<Tokens> operator()(const ByteLevelDecoder&) {
    std::string bytes;
    for (const std::string& token : tokens) {
      const std::optional<std::string> of_token = FromByteAlphabet(token);
      bytes += of_token.has_value() ? *of_token : token;
    }
    return Tokens{IsWellFormedUtf8(bytes) ? std::move(bytes)
                                          : ReplaceIllFormedUtf8(bytes)};
  }

  absl::StatusOr<Tokens> operator()(const FuseDecoder&) {
    return Tokens{absl::StrJoin(tokens, "")};
  }

  absl::StatusOr<Tokens> operator()(const MetaspaceDecoder& metaspace) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const absl::string_view space = i == 0 && metaspace.prepends ? "" : " ";
      tokens[i] =
          absl::StrReplaceAll(tokens[i], {{metaspace.replacement, space}});
    }
    return std::move(tokens);
  }

  absl::StatusOr<Tokens> operator()(const ReplaceStep& replace) {
    for (std::string& token : tokens) {
      MOE_ASSIGN_OR_RETURN(token,
                           ReplaceMatches(replace, token, max_bytes, scratch));
    }
    return std::move(tokens);
  }

  absl::StatusOr<Tokens> operator()(const StripDecoder& strip) {
    for (std::string& token : tokens) token = StripToken(strip, token);
    return std::move(tokens);
  }
};

}  // namespace

absl::StatusOr<std::string> Decoder::Run(std::vector<std::string> tokens,
                                         RegexScratch& scratch) const {
  const size_t max_bytes = MaxGrownBytes(TotalBytes(tokens));
  for (const DecoderStep& step : steps_) {
    MOE_ASSIGN_OR_RETURN(tokens, std::visit(RunDecoderStep{std::move(tokens),
                                                           max_bytes, scratch},
                                            step));
    if (TotalBytes(tokens) > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the decoded text: expected at most ", max_bytes,
                       " bytes, found more"));
    }
  }
  return absl::StrJoin(tokens, "");
}

}  // namespace moe::text
