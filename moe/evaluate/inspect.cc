#include "moe/evaluate/inspect.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/progress.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/evaluate/tensor_source.h"

namespace moe::evaluate {
namespace {

// A multiple of every element's size.
constexpr uint64_t kReadBytes = uint64_t{4} << 20;

int64_t NumParameters(const checkpoint::TensorSpec& spec) {
  return checkpoint::NumBytes(spec) / checkpoint::DtypeSize(spec.dtype);
}

struct NumberedName {
  absl::string_view prefix;
  int64_t number = 0;
  absl::string_view suffix;
};

// Nothing if no part is a number as this project writes it: without leading
// zeros.
std::optional<NumberedName> SplitAtNumber(absl::string_view name) {
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const absl::string_view part = name.substr(begin, end - begin);
    int64_t number = 0;
    if (absl::SimpleAtoi(part, &number) && absl::StrCat(number) == part &&
        number >= 0) {
      return NumberedName{name.substr(0, begin), number, name.substr(end)};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

void AddToGroups(absl::string_view prefix, int64_t number,
                 std::vector<checkpoint::TensorSpec> tensors,
                 std::vector<NumberedTensors>& groups) {
  std::sort(
      tensors.begin(), tensors.end(),
      [](const checkpoint::TensorSpec& a, const checkpoint::TensorSpec& b) {
        return NaturalLess(a.name, b.name);
      });
  if (!groups.empty() && groups.back().prefix == prefix &&
      groups.back().last == number - 1 && groups.back().tensors == tensors) {
    groups.back().last = number;
    return;
  }
  NumberedTensors group;
  group.prefix = std::string(prefix);
  group.first = number;
  group.last = number;
  for (const checkpoint::TensorSpec& tensor : tensors) {
    group.num_parameters += NumParameters(tensor);
    group.num_bytes += checkpoint::NumBytes(tensor);
  }
  group.tensors = std::move(tensors);
  groups.push_back(std::move(group));
}

// Parameters of experts, which not every token uses.
struct ExpertParameters {
  int64_t mlp = 0;
  int64_t attention = 0;
};

ExpertParameters CountExperts(absl::Span<const SourceTensor> tensors) {
  ExpertParameters count;
  for (const SourceTensor& tensor : tensors) {
    const std::optional<checkpoint::TensorName> name =
        checkpoint::ParseTensorName(tensor.spec.name);
    if (!name.has_value() || name->expert < 0) continue;
    const bool is_mlp = name->kind == checkpoint::TensorKind::kExpertGate ||
                        name->kind == checkpoint::TensorKind::kExpertUp ||
                        name->kind == checkpoint::TensorKind::kExpertDown;
    (is_mlp ? count.mlp : count.attention) += NumParameters(tensor.spec);
  }
  return count;
}

// The experts of a layer have the same size, so that the divisions are exact.
int64_t CountInactive(const checkpoint::MoeConfig& config,
                      absl::Span<const SourceTensor> tensors) {
  const ExpertParameters experts = CountExperts(tensors);
  int64_t inactive = 0;
  if (config.num_local_experts > 0) {
    inactive += experts.mlp / config.num_local_experts *
                (config.num_local_experts - config.num_experts_per_tok);
  }
  if (config.use_attn_moe) {
    inactive += experts.attention / config.attn_experts *
                (config.attn_experts - config.top_k_attn);
  }
  return inactive;
}

// Gives the tensors the names that the checkpoint has for them.
void UseModelNames(const checkpoint::Checkpoint& checkpoint,
                   std::vector<SourceTensor>& tensors) {
  for (SourceTensor& tensor : tensors) {
    tensor.spec.name = checkpoint.name_prefix().ModelName(tensor.spec.name);
  }
}

// Whether the model computes with a tensor of its files: a copy of a tied
// embedding is none of its own, and neither is what the configuration says.
bool IsParameter(const std::optional<checkpoint::Checkpoint>& checkpoint,
                 const std::string& name) {
  if (checkpoint::IsDerivedBuffer(name)) return false;
  return !checkpoint.has_value() ||
         checkpoint->tensors().Find(name).tensor != nullptr;
}

void CountTensors(const std::optional<checkpoint::Checkpoint>& checkpoint,
                  Inspection& inspection) {
  for (const SourceTensor& tensor : inspection.tensors) {
    inspection.num_bytes += checkpoint::NumBytes(tensor.spec);
    DtypeCount& count = inspection.dtypes[tensor.spec.dtype];
    ++count.num_tensors;
    if (!IsParameter(checkpoint, tensor.spec.name)) continue;
    count.num_parameters += NumParameters(tensor.spec);
    inspection.num_parameters += NumParameters(tensor.spec);
  }
  inspection.num_active_parameters = inspection.num_parameters;
  if (!inspection.config.has_value()) return;
  if (const auto* moe =
          std::get_if<checkpoint::MoeConfig>(&*inspection.config)) {
    inspection.num_active_parameters -= CountInactive(*moe, inspection.tensors);
  }
}

absl::Status CheckTensorFinite(const TensorSource& source, size_t tensor,
                               base::Progress& progress) {
  const SourceTensor& entry = source.tensors()[tensor];
  const uint64_t size_bytes =
      static_cast<uint64_t>(checkpoint::NumBytes(entry.spec));
  std::string piece;
  for (uint64_t begin = 0; begin < size_bytes; begin += kReadBytes) {
    piece.resize(std::min(kReadBytes, size_bytes - begin));
    MOE_RETURN_IF_ERROR(source.Read(tensor, begin, absl::MakeSpan(piece)));
    const std::optional<int64_t> found = FindNonFinite(entry.spec.dtype, piece);
    if (found.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          source.files()[entry.file].path, ": tensor \"", entry.spec.name,
          "\" ", checkpoint::FormatShape(entry.spec.shape),
          ": expected finite values, found a NaN or infinity at element ",
          static_cast<int64_t>(begin) /
                  checkpoint::DtypeSize(entry.spec.dtype) +
              *found));
    }
    progress.Advance(static_cast<int64_t>(piece.size()));
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(const TensorSource& source, int64_t num_bytes,
                         base::Progress& progress) {
  progress.Start("checking values", num_bytes, "bytes");
  for (size_t i = 0; i < source.tensors().size(); ++i) {
    MOE_RETURN_IF_ERROR(CheckTensorFinite(source, i, progress));
  }
  progress.Finish();
  return absl::OkStatus();
}

// The files that the digests are of, in the order of the report.
std::vector<std::string> FilesOf(const Inspection& inspection) {
  std::vector<std::string> paths;
  for (const SourceFile& file : inspection.files) paths.push_back(file.path);
  if (inspection.kind != SourceKind::kDirectory) return paths;
  const auto add = [&](absl::string_view name) {
    const std::string path = absl::StrCat(inspection.path, "/", name);
    if (base::PathExists(path)) paths.push_back(path);
  };
  add(checkpoint::kShardIndexFile);
  add(checkpoint::kConfigFile);
  for (const std::string& name : inspection.companion_files) add(name);
  return paths;
}

absl::Status AddDigests(Inspection& inspection, base::Progress& progress) {
  const std::vector<std::string> paths = FilesOf(inspection);
  progress.Start("digests", static_cast<int64_t>(paths.size()), "files");
  const std::string directory = absl::StrCat(inspection.path, "/");
  for (const std::string& path : paths) {
    MOE_ASSIGN_OR_RETURN(std::string digest, base::HexSha256OfFile(path));
    // The name in the directory, which may be that of a folder and a file.
    std::string name = absl::StartsWith(path, directory)
                           ? path.substr(directory.size())
                           : base::SplitPath(path).name;
    inspection.digests.emplace_back(std::move(name), std::move(digest));
    progress.Advance(1);
  }
  progress.Finish();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<checkpoint::Checkpoint>> OpenIfCheckpoint(
    absl::string_view path) {
  if (!base::PathExists(absl::StrCat(path, "/", checkpoint::kConfigFile)))
    return std::nullopt;
  absl::StatusOr<checkpoint::Checkpoint> checkpoint =
      checkpoint::Checkpoint::Open(path);
  if (absl::IsUnimplemented(checkpoint.status())) {
    return absl::UnimplementedError(absl::StrCat(
        checkpoint.status().message(),
        "; to see the tensors alone, name one of its .safetensors files"));
  }
  MOE_RETURN_IF_ERROR(checkpoint.status());
  return *std::move(checkpoint);
}

}  // namespace

void GroupTensors(absl::Span<const SourceTensor> tensors,
                  std::vector<NumberedTensors>& groups,
                  std::vector<checkpoint::TensorSpec>& others) {
  std::map<std::string, std::map<int64_t, std::vector<checkpoint::TensorSpec>>,
           NaturalOrder>
      numbered;
  for (const SourceTensor& tensor : tensors) {
    const std::optional<NumberedName> name = SplitAtNumber(tensor.spec.name);
    if (!name.has_value()) {
      others.push_back(tensor.spec);
      continue;
    }
    checkpoint::TensorSpec spec = tensor.spec;
    spec.name = std::string(name->suffix);
    numbered[std::string(name->prefix)][name->number].push_back(
        std::move(spec));
  }
  for (auto& [prefix, numbers] : numbered) {
    for (auto& [number, specs] : numbers) {
      AddToGroups(prefix, number, std::move(specs), groups);
    }
  }
  std::sort(
      others.begin(), others.end(),
      [](const checkpoint::TensorSpec& a, const checkpoint::TensorSpec& b) {
        return NaturalLess(a.name, b.name);
      });
}

absl::StatusOr<Inspection> Inspect(absl::string_view path,
                                   const InspectOptions& options,
                                   base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(const std::optional<checkpoint::Checkpoint> checkpoint,
                       OpenIfCheckpoint(path));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<TensorSource> source,
                       OpenTensorSource(path));
  Inspection inspection;
  inspection.path = std::string(path);
  inspection.kind = source->kind();
  inspection.files.assign(source->files().begin(), source->files().end());
  inspection.tensors.assign(source->tensors().begin(), source->tensors().end());
  if (checkpoint.has_value()) {
    inspection.config = checkpoint->config();
    UseModelNames(*checkpoint, inspection.tensors);
    MOE_ASSIGN_OR_RETURN(inspection.companion_files,
                         checkpoint->CompanionFiles());
  }
  CountTensors(checkpoint, inspection);
  GroupTensors(inspection.tensors, inspection.groups, inspection.others);
  if (options.check_values) {
    MOE_RETURN_IF_ERROR(
        checkpoint.has_value()
            ? checkpoint->CheckFinite(progress)
            : CheckFinite(*source, inspection.num_bytes, progress));
    inspection.values_checked = true;
  }
  if (options.digests) {
    MOE_RETURN_IF_ERROR(AddDigests(inspection, progress));
  }
  return inspection;
}

}  // namespace moe::evaluate
