#include "moe/checkpoint/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"

namespace moe::checkpoint {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{16} << 20;
constexpr char kAutoMap[] = "auto_map";
constexpr char kAutoTokenizer[] = "AutoTokenizer";

constexpr std::array<absl::string_view, 6> kModelSuffixes = {
    ".safetensors", ".bin", ".pt", ".pth", ".gguf", ".index.json"};

bool IsOfModel(absl::string_view name) {
  return name == "config.json" ||
         std::any_of(kModelSuffixes.begin(), kModelSuffixes.end(),
                     [&](absl::string_view suffix) {
                       return absl::EndsWith(name, suffix);
                     });
}

class Search {
 public:
  Search(absl::string_view directory, const std::vector<std::string>& names)
      : directory_(directory), names_(names.begin(), names.end()) {}

  std::set<std::string> Run() {
    for (const std::string& name : names_) {
      if (absl::StartsWith(name, "tokenization_") &&
          absl::EndsWith(name, ".py")) {
        Add(name);
      }
    }
    AddOfConfigs();
    // Grows while it is worked off.
    while (!code_to_read_.empty()) {
      const std::string name = code_to_read_.back();
      code_to_read_.pop_back();
      AddOfCode(Read(name));
    }
    return found_;
  }

 private:
  // Empty where it cannot be read.
  std::string Read(const std::string& name) const {
    return base::ReadFile(absl::StrCat(directory_, "/", name), kMaxTextBytes)
        .value_or("");
  }
  base::Json ReadJson(const std::string& name) const {
    return base::ParseJsonObject(Read(name)).value_or(base::Json::object());
  }

  void Add(const std::string& name) {
    if (names_.count(name) == 0 || !found_.insert(name).second) return;
    if (absl::EndsWith(name, ".py")) code_to_read_.push_back(name);
  }

  // "MODULE.CLASS", or a list of such and null; "REPOSITORY--MODULE.CLASS" is
  // elsewhere, and so is in no folder.
  void AddClasses(const base::Json& value) {
    if (value.is_array()) {
      for (const base::Json& entry : value) AddClasses(entry);
    }
    if (!value.is_string()) return;
    const std::string text = value.get<std::string>();
    Add(absl::StrCat(text.substr(0, text.find('.')), ".py"));
  }

  void AddOfConfigs() {
    const base::Json tokenizer = ReadJson("tokenizer_config.json");
    for (const auto& [field, value] : tokenizer.items()) {
      if (field == kAutoMap && value.is_object()) {
        for (const base::Json& classes : value) AddClasses(classes);
      }
      if (value.is_string() && !IsOfModel(value.get<std::string>())) {
        Add(value.get<std::string>());
      }
    }
    const base::Json model = ReadJson("config.json");
    const base::Json* const auto_map = base::FindField(model, kAutoMap);
    if (auto_map == nullptr || !auto_map->is_object()) return;
    const base::Json* const classes =
        base::FindField(*auto_map, kAutoTokenizer);
    if (classes != nullptr) AddClasses(*classes);
  }

  // As transformers looks for relative imports: "from .MODULE import" and
  // "import .MODULE", a line each.
  void AddImport(absl::string_view line) {
    line = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, "from") &&
        !absl::ConsumePrefix(&line, "import")) {
      return;
    }
    line = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, ".")) return;
    const size_t end = line.find_first_of(" \t\r");
    Add(absl::StrCat(line.substr(0, end), ".py"));
  }

  void AddOfCode(const std::string& text) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      AddImport(line);
    }
    for (const std::string& name : names_) {
      if (IsOfModel(name)) continue;
      if (absl::StrContains(text, absl::StrCat("\"", name, "\"")) ||
          absl::StrContains(text, absl::StrCat("'", name, "'"))) {
        Add(name);
      }
    }
  }

  const absl::string_view directory_;
  const std::set<std::string> names_;
  std::set<std::string> found_;
  std::vector<std::string> code_to_read_;
};

}  // namespace

std::set<std::string> FindTokenizerFiles(
    absl::string_view directory, const std::vector<std::string>& names) {
  return Search(directory, names).Run();
}

}  // namespace moe::checkpoint
