#include "moe/text/dataset/chat_template_source.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/config_tokens.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{16} << 20;

// Nothing if there is no such file.
absl::StatusOr<std::optional<std::string>> ReadIfThere(
    const std::string& path) {
  absl::StatusOr<std::string> text = base::ReadFile(path, kMaxFileBytes);
  if (text.ok()) return std::optional<std::string>(*std::move(text));
  if (absl::IsNotFound(text.status())) return std::nullopt;
  return text.status();
}

// "chat_template" of a tokenizer_config.json.
absl::StatusOr<std::optional<std::string>> TemplateOf(absl::string_view text) {
  constexpr char kField[] = "chat_template";
  // It may have more fields than an object of a configuration.
  MOE_ASSIGN_OR_RETURN(const base::SortedJson document,
                       base::ParseSortedJson(text));
  const auto found = document.find(kField);
  if (found == document.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) {
    return std::optional<std::string>(found->get<std::string>());
  }
  if (found->is_array()) {
    for (const base::SortedJson& named : *found) {
      if (!named.is_object() || !named.contains("template")) continue;
      if (named.value("name", "") != "default") continue;
      const base::SortedJson& value = named["template"];
      if (value.is_string()) {
        return std::optional<std::string>(value.get<std::string>());
      }
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      kField,
      ": expected a text, or a list of {\"name\", \"template\"} with the name "
      "\"default\", found a JSON ",
      found->type_name(), "; name another template with --chat_template"));
}

// As transformers' special_tokens_map.
std::map<std::string, std::string> NamedTokens(const TokenizerConfig& config) {
  const TokenizerClass& of = FindTokenizerClass(config.tokenizer_class);
  std::map<std::string, std::string> tokens;
  const auto set = [&](const std::string& name, absl::string_view token) {
    if (!token.empty()) tokens[name] = std::string(token);
  };
  set("bos_token", of.bos_token);
  set("eos_token", of.eos_token);
  set("unk_token", of.unk_token);
  set("pad_token", of.pad_token);
  for (const auto& [name, token] : config.named_tokens) {
    tokens.erase(name);
    if (token.has_value()) set(name, token->token.content);
  }
  return tokens;
}

}  // namespace

absl::StatusOr<ChatTemplateSource> LoadChatTemplate(
    const std::string& directory) {
  const std::string config_path =
      absl::StrCat(directory, "/tokenizer_config.json");
  const std::string map_path =
      absl::StrCat(directory, "/special_tokens_map.json");
  TokenizerConfig config;
  MOE_ASSIGN_OR_RETURN(
      std::optional<std::string> text,
      ReadIfThere(absl::StrCat(directory, "/chat_template.jinja")));
  MOE_ASSIGN_OR_RETURN(const std::optional<std::string> config_text,
                       ReadIfThere(config_path));
  if (config_text.has_value()) {
    MOE_RETURN_IF_ERROR(base::Annotate(
        MergeTokenizerConfig(*config_text, &config), config_path));
    if (!text.has_value()) {
      absl::StatusOr<std::optional<std::string>> found =
          TemplateOf(*config_text);
      if (!found.ok()) return base::Annotate(found.status(), config_path);
      text = *std::move(found);
    }
  }
  MOE_ASSIGN_OR_RETURN(const std::optional<std::string> map,
                       ReadIfThere(map_path));
  if (map.has_value()) {
    MOE_RETURN_IF_ERROR(
        base::Annotate(MergeSpecialTokensMap(*map, &config), map_path));
  }
  return ChatTemplateSource{std::move(text), NamedTokens(config)};
}

}  // namespace moe::text
