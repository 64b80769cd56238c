#include "moe/checkpoint/directory_contents.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/escape_control.h"
#include "moe/base/file_system.h"

namespace moe::checkpoint {
namespace {

constexpr char kWanted[] =
    "; give the directory of a Hugging Face checkpoint: config.json and "
    "model.safetensors, or its shards with their index";
constexpr char kSavePretrained[] =
    "load the model with transformers and save it with save_pretrained, which "
    "writes safetensors";
constexpr char kModelFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

// Whether `name` matches a pattern with at most one '*'.
bool Matches(absl::string_view pattern, absl::string_view name) {
  const size_t star = pattern.find('*');
  if (star == absl::string_view::npos) return name == pattern;
  return absl::StartsWith(name, pattern.substr(0, star)) &&
         absl::EndsWith(name, pattern.substr(star + 1));
}

struct Kind {
  std::vector<absl::string_view> patterns;
  std::string what;
};

// The most specific kinds come first.
const std::vector<Kind>& Kinds() {
  static const auto* const kinds = new std::vector<Kind>{
      {{"models--*"},
       "a cache of the Hugging Face hub: name one of these folders, or the "
       "model as ORG/NAME"},
      {{"snapshots"},
       "a model's folder in a cache of the Hugging Face hub: name one of the "
       "folders in snapshots"},
      {{"model-*.safetensors"},
       absl::StrCat("shards without ", kIndexFile,
                    ", which says what is in which: get it from where the "
                    "shards are from, or ",
                    kSavePretrained)},
      {{kAdapterConfigFile, "adapter_model.*"},
       "an adapter without its base: merge it into the base with "
       "merge_and_unload of peft, and save that with save_pretrained"},
      {{"*.distcp", "pytorch_model_fsdp*"},
       "weights as FSDP distributes them: merge them with `accelerate "
       "merge-weights`"},
      {{"zero_to_fp32.py", "global_step*"},
       "weights as DeepSpeed distributes them: gather them with its "
       "zero_to_fp32.py --safe_serialization"},
      {{"pytorch_model*.bin", "pytorch_model*.json"},
       absl::StrCat("weights in another format, PyTorch's: ", kSavePretrained)},
      {{"consolidated.*.pth", "original"},
       "weights in another format, Meta's: take the Hugging Face form of the "
       "model, or convert them with transformers' "
       "convert_llama_weights_to_hf.py"},
      {{"*.gguf"},
       "weights in another format, llama.cpp's: take the Hugging Face form of "
       "the model that they were made from"},
      {{"*.h5", "*.msgpack", "*.ckpt", "*.pt", "*.pth", "*.bin"},
       absl::StrCat("weights in another format: ", kSavePretrained)},
      {{"*.safetensors"},
       absl::StrCat("safetensors of another name: if it is the whole model, "
                    "name it ",
                    kModelFile)},
  };
  return *kinds;
}

// "a, b, c and 5 more".
std::string ListNames(const std::vector<std::string>& names) {
  constexpr size_t kMaxListed = 4;
  const size_t num_listed = std::min(names.size(), kMaxListed);
  std::string text = absl::StrJoin(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(num_listed),
      ", ", [](std::string* out, const std::string& name) {
        out->append(base::EscapeControl(name));
      });
  if (names.size() > num_listed) {
    absl::StrAppend(&text, " and ", names.size() - num_listed, " more");
  }
  return text;
}

// The folders right below that hold a checkpoint.
std::vector<std::string> FoldersWithCheckpoint(
    absl::string_view path, const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    const std::string folder = absl::StrCat(path, "/", name);
    if (base::PathExists(absl::StrCat(folder, "/config.json")) &&
        (base::PathExists(absl::StrCat(folder, "/", kModelFile)) ||
         base::PathExists(absl::StrCat(folder, "/", kIndexFile)))) {
      found.push_back(name);
    }
  }
  return found;
}

std::string AboutFile(absl::string_view path) {
  return absl::StrCat(
      "; it is a file",
      absl::EndsWith(path, ".gguf")
          ? ", in llama.cpp's format: take the Hugging Face form of "
            "the model that it was made from"
          : ": name the directory of the checkpoint that it is of");
}

}  // namespace

std::string WhatIsThereInstead(absl::string_view path) {
  std::error_code error;
  if (std::filesystem::is_regular_file(std::string(path), error)) {
    return AboutFile(path);
  }
  const absl::StatusOr<std::vector<std::string>> names =
      base::ListDirectory(path);
  if (!names.ok()) return kWanted;
  const bool has_weights =
      base::PathExists(absl::StrCat(path, "/", kModelFile)) ||
      base::PathExists(absl::StrCat(path, "/", kIndexFile));
  const std::vector<std::string> folders = FoldersWithCheckpoint(path, *names);
  if (!folders.empty()) {
    return absl::StrCat("; a checkpoint is in ", ListNames(folders),
                        ": name that folder");
  }
  for (const Kind& kind : Kinds()) {
    if (has_weights) break;
    std::vector<std::string> found;
    std::copy_if(names->begin(), names->end(), std::back_inserter(found),
                 [&](const std::string& name) {
                   return std::any_of(kind.patterns.begin(),
                                      kind.patterns.end(),
                                      [&](absl::string_view pattern) {
                                        return Matches(pattern, name);
                                      });
                 });
    if (found.empty()) continue;
    return absl::StrCat("; it holds ", ListNames(found), ", ", kind.what);
  }
  return kWanted;
}

}  // namespace moe::checkpoint
