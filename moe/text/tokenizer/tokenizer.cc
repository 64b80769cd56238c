#include "moe/text/tokenizer/tokenizer.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/bpe_tokenizer.h"
#include "moe/text/tokenizer/sentencepiece_tokenizer.h"
#include "moe/text/tokenizer/text_ends.h"
#include "moe/text/tokenizer/tokenizer_config.h"
#include "moe/text/tokenizer/tokenizer_json.h"

namespace moe::text {
namespace {

// Four times the largest tokenizer.json in use (256,000 tokens: 34 MB).
constexpr uint64_t kMaxTokenizerBytes = uint64_t{128} << 20;
constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;

// The file's text; none if the file does not exist.
absl::StatusOr<std::optional<std::string>> ReadIfThere(const std::string& path,
                                                       uint64_t max_bytes) {
  absl::StatusOr<std::string> text = base::ReadFile(path, max_bytes);
  if (text.ok()) return std::optional<std::string>(*std::move(text));
  if (absl::IsNotFound(text.status())) return std::nullopt;
  return text.status();
}

absl::Status MergeFile(const std::string& path,
                       absl::Status (*merge)(absl::string_view,
                                             TokenizerConfig*),
                       TokenizerConfig* config) {
  MOE_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                       ReadIfThere(path, kMaxConfigBytes));
  if (!text.has_value()) return absl::OkStatus();
  return base::Annotate(merge(*text, config), path);
}

// Writes lengths before texts, so that no two lists of texts give the same
// bytes.
void UpdateWith(absl::string_view text, base::Sha256* sha) {
  sha->Update(absl::StrCat(text.size(), ":"));
  sha->Update(text);
}

void UpdateWith(const std::optional<std::string>& text, base::Sha256* sha) {
  sha->Update(text.has_value() ? "1" : "0");
  if (text.has_value()) UpdateWith(absl::string_view(*text), sha);
}

std::string DigestOfJson(absl::string_view text,
                         const TokenizerConfig& config) {
  base::Sha256 sha;
  sha.Update("tokenizer.json\n");
  UpdateWith(text, &sha);
  UpdateWith(config.bos_token, &sha);
  UpdateWith(config.eos_token, &sha);
  if (config.add_prefix_space.has_value()) {
    sha.Update(absl::StrCat("add_prefix_space ", *config.add_prefix_space));
  }
  return sha.HexDigest();
}

std::string DigestOfModel(absl::string_view model,
                          const TokenizerConfig& config) {
  base::Sha256 sha;
  sha.Update("tokenizer.model\n");
  UpdateWith(model, &sha);
  UpdateWith(config.bos_token, &sha);
  UpdateWith(config.eos_token, &sha);
  UpdateWith(config.unk_token, &sha);
  sha.Update(absl::StrCat(config.add_bos_token.value_or(true),
                          config.add_eos_token.value_or(false),
                          config.legacy.value_or(true)));
  for (const AddedToken& token : config.added_tokens) {
    UpdateWith(absl::string_view(token.content), &sha);
    sha.Update(absl::StrCat(token.id, " ", token.single_word, token.lstrip,
                            token.rstrip, token.special, "\n"));
  }
  return sha.HexDigest();
}

template <typename T>
absl::StatusOr<std::unique_ptr<Tokenizer>> AtPath(
    absl::StatusOr<std::unique_ptr<T>> tokenizer, absl::string_view path) {
  if (!tokenizer.ok()) return base::Annotate(tokenizer.status(), path);
  return std::unique_ptr<Tokenizer>(*std::move(tokenizer));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& dir,
                                                         const TextEnds& ends) {
  MOE_RETURN_IF_ERROR(base::Annotate(base::ListDirectory(dir).status(),
                                     "the directory of a tokenizer"));
  TokenizerConfig config;
  MOE_RETURN_IF_ERROR(MergeFile(absl::StrCat(dir, "/tokenizer_config.json"),
                                MergeTokenizerConfig, &config));
  MOE_RETURN_IF_ERROR(MergeFile(absl::StrCat(dir, "/special_tokens_map.json"),
                                MergeSpecialTokensMap, &config));

  const std::string json_path = absl::StrCat(dir, "/tokenizer.json");
  MOE_ASSIGN_OR_RETURN(const std::optional<std::string> json,
                       ReadIfThere(json_path, kMaxTokenizerBytes));
  // transformers reads added_tokens.json only without an added_tokens_decoder.
  if (!json.has_value() || !config.has_added_tokens_decoder) {
    MOE_RETURN_IF_ERROR(MergeFile(absl::StrCat(dir, "/added_tokens.json"),
                                  MergeAddedTokens, &config));
  }
  if (json.has_value()) {
    return AtPath(ParseTokenizerJson(
                      *json,
                      {config.bos_token, config.eos_token,
                       DigestOfJson(*json, config), config.add_prefix_space},
                      config, ends),
                  json_path);
  }

  const std::string model_path = absl::StrCat(dir, "/tokenizer.model");
  MOE_ASSIGN_OR_RETURN(const std::optional<std::string> model,
                       ReadIfThere(model_path, kMaxTokenizerBytes));
  if (!model.has_value()) {
    return absl::NotFoundError(
        absl::StrCat(dir,
                     ": expected a tokenizer.json or a tokenizer.model, found "
                     "neither"));
  }
  if (ends.add_bos.has_value()) config.add_bos_token = ends.add_bos;
  if (ends.add_eos.has_value()) config.add_eos_token = ends.add_eos;
  MOE_ASSIGN_OR_RETURN(
      std::unique_ptr<Tokenizer> tokenizer,
      AtPath(SentencePieceTokenizer::Create(*model, config,
                                            DigestOfModel(*model, config)),
             model_path));
  MOE_RETURN_IF_ERROR(
      base::Annotate(CheckTextEnds(ends, tokenizer->bos_id().has_value(),
                                   tokenizer->eos_id().has_value()),
                     model_path));
  return tokenizer;
}

}  // namespace moe::text
