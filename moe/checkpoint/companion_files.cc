#include "moe/checkpoint/companion_files.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/path_fields.h"
#include "moe/checkpoint/tokenizer_files.h"

namespace moe::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::array<absl::string_view, 9> kCompanionFiles = {
    "added_tokens.json",      "chat_template.jinja", "chat_template.json",
    "generation_config.json", "merges.txt",          "special_tokens_map.json",
    "tokenizer.json",         "tokenizer.model",     "tokenizer_config.json",
};
constexpr std::array<absl::string_view, 4> kCompanionPrefixes = {
    "LICENSE", "NOTICE", "USE_POLICY", "vocab."};

// In which libraries note paths.
constexpr std::array<absl::string_view, 2> kFilesWithPathFields = {
    "generation_config.json", "tokenizer_config.json"};

// Those of published models have up to a few hundred kilobytes.
constexpr uint64_t kMaxJsonBytes = uint64_t{16} << 20;

bool IsCompanionFile(absl::string_view name) {
  return std::find(kCompanionFiles.begin(), kCompanionFiles.end(), name) !=
             kCompanionFiles.end() ||
         std::any_of(kCompanionPrefixes.begin(), kCompanionPrefixes.end(),
                     [&](absl::string_view prefix) {
                       return absl::StartsWith(name, prefix);
                     });
}

// What is in a directory, whatever it is.
struct Names {
  std::vector<std::string> companions;
  std::vector<std::string> others;
};

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// Adds what is in the folder of chat templates.
absl::Status SortChatTemplates(absl::string_view directory, Names& names) {
  MOE_ASSIGN_OR_RETURN(
      const std::vector<std::string> all,
      base::ListDirectory(absl::StrCat(directory, "/", kChatTemplatesFolder)));
  for (const std::string& name : all) {
    const bool is_template = name[0] != '.' && absl::EndsWith(name, ".jinja");
    std::vector<std::string>& kind =
        is_template ? names.companions : names.others;
    kind.push_back(absl::StrCat(kChatTemplatesFolder, "/", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<Names> SortNames(absl::string_view directory) {
  MOE_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                       base::ListDirectory(directory));
  const std::set<std::string> of_tokenizer = FindTokenizerFiles(directory, all);
  Names names;
  for (const std::string& name : all) {
    if (name == kChatTemplatesFolder &&
        IsFolder(absl::StrCat(directory, "/", name))) {
      MOE_RETURN_IF_ERROR(SortChatTemplates(directory, names));
      continue;
    }
    const bool is_companion =
        IsCompanionFile(name) || of_tokenizer.count(name) > 0;
    (is_companion ? names.companions : names.others).push_back(name);
  }
  return names;
}

bool IsRegularFile(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Empty where the path leads nowhere.
fs::path RealPath(const std::string& path) {
  std::error_code error;
  fs::path real = fs::canonical(path, error);
  return error ? fs::path() : real;
}

bool LiesBelow(const fs::path& file, const fs::path& folder) {
  return !folder.empty() &&
         std::mismatch(folder.begin(), folder.end(), file.begin(), file.end())
                 .first == folder.end();
}

// Where a model's own files lie.
struct ModelPlaces {
  fs::path folder;
  std::set<fs::path> folders_of_files;

  bool Hold(const fs::path& file) const {
    return LiesBelow(file, folder) ||
           folders_of_files.count(file.parent_path()) > 0;
  }
};

ModelPlaces PlacesOf(absl::string_view directory,
                     absl::Span<const std::string> model_files) {
  ModelPlaces places = {RealPath(std::string(directory)), {}};
  for (const std::string& file : model_files) {
    const fs::path real = RealPath(file);
    if (!real.empty()) places.folders_of_files.insert(real.parent_path());
  }
  return places;
}

// Why the file at `path`, by its links at `real`, is not taken; empty if it is.
std::string WhyNot(const std::string& path, const fs::path& real,
                   const ModelPlaces& places) {
  if (real.empty()) return "it is a link that leads nowhere";
  if (!IsRegularFile(path)) {
    return "it is no regular file; put a file in its place if it belongs to "
           "the model";
  }
  if (places.Hold(real)) return "";
  return "it is a link to a file outside of the model's folder; if it belongs "
         "to the model, copy the file itself into the folder";
}

// Takes a file that is the model's.
void Take(const std::string& name, const std::string& path,
          CompanionCopies& found) {
  found.copies[name] = path;
  if (std::find(kFilesWithPathFields.begin(), kFilesWithPathFields.end(),
                name) == kFilesWithPathFields.end()) {
    return;
  }
  // What is no such JSON is copied as it is, for its readers to refuse.
  const absl::StatusOr<std::string> text = base::ReadFile(path, kMaxJsonBytes);
  if (!text.ok()) return;
  absl::StatusOr<base::Json> document = base::ParseJsonObject(*text);
  if (!document.ok()) return;
  const std::vector<std::string> fields = RemovePathFields(*document);
  if (fields.empty()) return;
  for (const std::string& field : fields) {
    found.left_behind.push_back(PathFieldOf(name, field));
  }
  found.copies.erase(name);
  found.contents[name] = base::FormatJson(*document);
}

// The names that are no model file's and do not begin with a dot. A folder's
// name ends in a slash.
std::vector<std::string> OthersOf(absl::string_view directory,
                                  const std::vector<std::string>& names,
                                  absl::Span<const std::string> model_files) {
  std::set<std::string> of_model;
  for (const std::string& file : model_files) {
    of_model.insert(base::SplitPath(file).name);
  }
  std::vector<std::string> others;
  for (const std::string& name : names) {
    if (base::SplitPath(name).name[0] == '.' || of_model.count(name) > 0)
      continue;
    const bool is_folder = IsFolder(absl::StrCat(directory, "/", name));
    others.push_back(is_folder ? absl::StrCat(name, "/") : name);
  }
  return others;
}

}  // namespace

LeftBehind PathFieldOf(absl::string_view file, absl::string_view field) {
  return {absl::StrCat(file, ": ", field),
          "it is a path of the machine on which the model was saved"};
}

base::Json LeftBehindToJson(const std::vector<LeftBehind>& left_behind) {
  base::Json list = base::Json::array();
  for (const LeftBehind& left : left_behind) {
    base::Json entry = base::Json::object();
    entry["name"] = left.name;
    entry["why"] = left.why;
    list.push_back(std::move(entry));
  }
  return list;
}

absl::StatusOr<std::vector<std::string>> ListCompanionFiles(
    absl::string_view directory) {
  MOE_ASSIGN_OR_RETURN(Names names, SortNames(directory));
  std::vector<std::string>& found = names.companions;
  found.erase(std::remove_if(found.begin(), found.end(),
                             [&](const std::string& name) {
                               return !IsRegularFile(
                                   absl::StrCat(directory, "/", name));
                             }),
              found.end());
  return std::move(found);
}

absl::StatusOr<CompanionCopies> FindCompanionCopies(
    absl::string_view directory, absl::Span<const std::string> model_files) {
  MOE_ASSIGN_OR_RETURN(const Names names, SortNames(directory));
  const ModelPlaces places = PlacesOf(directory, model_files);
  CompanionCopies found;
  for (const std::string& name : names.companions) {
    const std::string path = absl::StrCat(directory, "/", name);
    const fs::path real = RealPath(path);
    std::string why = WhyNot(path, real, places);
    if (why.empty()) {
      Take(name, real.string(), found);
    } else {
      found.left_behind.push_back({name, std::move(why)});
    }
  }
  found.others = OthersOf(directory, names.others, model_files);
  return found;
}

}  // namespace moe::checkpoint
