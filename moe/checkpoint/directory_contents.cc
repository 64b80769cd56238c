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

namespace moe {
namespace {

constexpr char kWanted[] =
    "; wanted is the directory of a Hugging Face checkpoint: config.json and "
    "model.safetensors, or its shards with their index";
constexpr char kSavePretrained[] =
    "load the model with transformers and save it with save_pretrained, which "
    "writes safetensors";
constexpr char kModelFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

bool IsShard(absl::string_view name) {
  return absl::StartsWith(name, "model-") &&
         absl::EndsWith(name, ".safetensors");
}
bool IsAdapter(absl::string_view name) {
  return name == kAdapterConfigFile || absl::StartsWith(name, "adapter_model.");
}
bool IsPyTorch(absl::string_view name) {
  return absl::StartsWith(name, "pytorch_model") &&
         (absl::EndsWith(name, ".bin") || absl::EndsWith(name, ".json"));
}
bool IsMeta(absl::string_view name) {
  return (absl::StartsWith(name, "consolidated.") &&
          absl::EndsWith(name, ".pth")) ||
         name == "original";
}
bool IsGguf(absl::string_view name) { return absl::EndsWith(name, ".gguf"); }
bool IsDeepSpeed(absl::string_view name) {
  return name == "zero_to_fp32.py" || absl::StartsWith(name, "global_step");
}
bool IsFsdp(absl::string_view name) {
  return absl::EndsWith(name, ".distcp") ||
         absl::StartsWith(name, "pytorch_model_fsdp");
}
bool IsOtherFramework(absl::string_view name) {
  return absl::EndsWith(name, ".h5") || absl::EndsWith(name, ".msgpack") ||
         absl::EndsWith(name, ".ckpt") || absl::EndsWith(name, ".pt") ||
         absl::EndsWith(name, ".pth") || absl::EndsWith(name, ".bin");
}
bool IsOtherSafetensors(absl::string_view name) {
  return absl::EndsWith(name, ".safetensors");
}
bool IsHubRepository(absl::string_view name) {
  return absl::StartsWith(name, "models--");
}
bool IsSnapshots(absl::string_view name) { return name == "snapshots"; }

struct Kind {
  bool (*matches)(absl::string_view name);
  std::string what;
};

// What tells most comes first.
const std::vector<Kind>& Kinds() {
  static const auto* const kinds = new std::vector<Kind>{
      {IsHubRepository,
       "a cache of the Hugging Face hub: name one of these folders, or the "
       "model as ORG/NAME"},
      {IsSnapshots,
       "a model's folder in a cache of the Hugging Face hub: name one of the "
       "folders in snapshots"},
      {IsShard,
       absl::StrCat("shards without ", kIndexFile,
                    ", which says what is in which: get it from where the "
                    "shards are from, or ",
                    kSavePretrained)},
      {IsAdapter,
       "an adapter without its base: merge it into the base with "
       "merge_and_unload of peft, and save that with save_pretrained"},
      {IsFsdp,
       "weights as FSDP distributes them: merge them with `accelerate "
       "merge-weights`"},
      {IsDeepSpeed,
       "weights as DeepSpeed distributes them: gather them with its "
       "zero_to_fp32.py --safe_serialization"},
      {IsPyTorch,
       absl::StrCat("weights in another format, PyTorch's: ", kSavePretrained)},
      {IsMeta,
       "weights in another format, Meta's: take the Hugging Face form of the "
       "model, or convert them with transformers' "
       "convert_llama_weights_to_hf.py"},
      {IsGguf,
       "weights in another format, llama.cpp's: take the Hugging Face form of "
       "the model that they were made from"},
      {IsOtherFramework,
       absl::StrCat("weights in another format: ", kSavePretrained)},
      {IsOtherSafetensors,
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
        out->append(EscapeControl(name));
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
    if (PathExists(absl::StrCat(folder, "/config.json")) &&
        (PathExists(absl::StrCat(folder, "/", kModelFile)) ||
         PathExists(absl::StrCat(folder, "/", kIndexFile)))) {
      found.push_back(name);
    }
  }
  return found;
}

std::string AboutFile(absl::string_view path) {
  return absl::StrCat(
      "; it is a file",
      IsGguf(path) ? ", in llama.cpp's format: take the Hugging Face form of "
                     "the model that it was made from"
                   : ": name the directory of the checkpoint that it is of");
}

}  // namespace

std::string WhatIsThereInstead(absl::string_view path) {
  std::error_code error;
  if (std::filesystem::is_regular_file(std::string(path), error)) {
    return AboutFile(path);
  }
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(path);
  if (!names.ok()) return kWanted;
  const bool has_weights = PathExists(absl::StrCat(path, "/", kModelFile)) ||
                           PathExists(absl::StrCat(path, "/", kIndexFile));
  const std::vector<std::string> folders = FoldersWithCheckpoint(path, *names);
  if (!folders.empty()) {
    return absl::StrCat("; a checkpoint is in ", ListNames(folders),
                        ": name that folder");
  }
  for (const Kind& kind : Kinds()) {
    if (has_weights) break;
    std::vector<std::string> found;
    std::copy_if(names->begin(), names->end(), std::back_inserter(found),
                 kind.matches);
    if (found.empty()) continue;
    return absl::StrCat("; it holds ", ListNames(found), ", ", kind.what);
  }
  return kWanted;
}

}  // namespace moe
