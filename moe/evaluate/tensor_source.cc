#include "moe/evaluate/tensor_source.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/pt_bridge.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe::evaluate {
namespace {

// Takes the digits at the front of `text`, without leading zeros.
absl::string_view TakeNumber(absl::string_view& text) {
  size_t length = 0;
  while (length < text.size() && absl::ascii_isdigit(text[length])) ++length;
  absl::string_view number = text.substr(0, length);
  text.remove_prefix(length);
  while (!number.empty() && number[0] == '0') number.remove_prefix(1);
  return number;
}

// Negative, zero or positive.
int Compare(absl::string_view a, absl::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (absl::ascii_isdigit(a[0]) && absl::ascii_isdigit(b[0])) {
      const absl::string_view x = TakeNumber(a);
      const absl::string_view y = TakeNumber(b);
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
      if (x != y) return x < y ? -1 : 1;
      continue;
    }
    if (a[0] != b[0]) {
      return static_cast<unsigned char>(a[0]) < static_cast<unsigned char>(b[0])
                 ? -1
                 : 1;
    }
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return static_cast<int>(!a.empty()) - static_cast<int>(!b.empty());
}

}  // namespace

bool NaturalLess(absl::string_view a, absl::string_view b) {
  const int order = Compare(a, b);
  return order != 0 ? order < 0 : a < b;
}

namespace {

// `Files` owns the open files; the base class lists them.
template <typename Files>
class SafetensorsSource : public TensorSource {
 public:
  SafetensorsSource(absl::string_view path, SourceKind kind, Files files)
      : TensorSource(path, kind), open_files_(std::move(files)) {
    for (const checkpoint::SafetensorsFile& file : Shards()) {
      for (const checkpoint::SafetensorsTensor& tensor : file.tensors()) {
        // The data are the end of the file, so their start follows from it.
        const uint64_t data_offset =
            file.size_bytes() - file.tensors().back().end;
        tensors_.push_back(
            {tensor.spec, files_.size(), data_offset + tensor.begin});
        places_.push_back({&file, &tensor});
      }
      files_.push_back({file.path(), file.size_bytes(),
                        static_cast<int64_t>(file.tensors().size()),
                        file.metadata()});
    }
  }

  absl::Status Read(size_t tensor, uint64_t offset_bytes,
                    absl::Span<char> out) const override {
    const checkpoint::TensorLocation& place = places_[tensor];
    return place.shard->Read(*place.tensor, offset_bytes, out);
  }

 private:
  absl::Span<const checkpoint::SafetensorsFile> Shards() const {
    if constexpr (std::is_same_v<Files, checkpoint::ShardedTensors>) {
      return open_files_.shards();
    } else {
      return absl::MakeConstSpan(&open_files_, 1);
    }
  }

  const Files open_files_;
  std::vector<checkpoint::TensorLocation>
      places_;  // In the order of tensors().
};

template <typename T>
checkpoint::HostTensor NumbersTensor(checkpoint::Dtype dtype,
                                     checkpoint::Shape shape,
                                     absl::Span<const T> values) {
  checkpoint::HostTensor tensor{dtype, std::move(shape), ""};
  tensor.bytes.resize(values.size() * sizeof(T));
  if (!values.empty()) {
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  }
  return tensor;
}

class PtSource : public TensorSource {
 public:
  explicit PtSource(absl::string_view path)
      : TensorSource(path, SourceKind::kPt) {}

  absl::Status Load() {
    MOE_ASSIGN_OR_RETURN(const base::RandomAccessFile file,
                         base::RandomAccessFile::Open(path()));
    MOE_ASSIGN_OR_RETURN(const checkpoint::PtValue root,
                         checkpoint::ReadPtFile(path()));
    files_.push_back({path(), file.size_bytes(), 0, {}});
    name_bytes_left_ = kFewNameBytes + kNameBytesPerByte * file.size_bytes();
    MOE_RETURN_IF_ERROR(base::Annotate(Flatten("", root), path()));
    files_[0].num_tensors = static_cast<int64_t>(tensors_.size());
    return absl::OkStatus();
  }

  absl::Status Read(size_t tensor, uint64_t offset_bytes,
                    absl::Span<char> out) const override {
    const std::string& bytes = data_[tensor]->bytes;
    MOE_CHECK(offset_bytes + out.size() <= bytes.size());
    std::memcpy(out.data(), bytes.data() + offset_bytes, out.size());
    return absl::OkStatus();
  }

 private:
  static std::string Join(absl::string_view prefix,
                          const checkpoint::PtKey& key) {
    const std::string name = std::holds_alternative<int64_t>(key)
                                 ? absl::StrCat(std::get<int64_t>(key))
                                 : std::get<std::string>(key);
    return prefix.empty() ? name : absl::StrCat(prefix, ".", name);
  }

  absl::Status Add(absl::string_view prefix,
                   checkpoint::Shared<checkpoint::HostTensor> tensor) {
    const std::string name(prefix.empty() ? "value" : prefix);
    if (name.size() > name_bytes_left_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "expected names that are not much longer than the file together, "
          "found more: a long key stands before very many values; shorten the "
          "keys"));
    }
    name_bytes_left_ -= name.size();
    if (!names_.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two values flatten to the name \"", name,
                       "\"; they cannot be told apart by name"));
    }
    tensors_.push_back({{name, tensor->dtype, tensor->shape}, 0, std::nullopt});
    data_.push_back(std::move(tensor));
    return absl::OkStatus();
  }

  // The reader bounds the depth of the tree and the number of its values.
  absl::Status Flatten(const std::string& prefix,
                       const checkpoint::PtValue& value) {
    if (const auto* const tensor =
            std::get_if<checkpoint::Shared<checkpoint::HostTensor>>(
                &value.value)) {
      return Add(prefix, *tensor);
    }
    if (const auto* const number = value.As<int64_t>()) {
      return Add(prefix, NumbersTensor<int64_t>(checkpoint::Dtype::kI64, {},
                                                {number, 1}));
    }
    if (const auto* const number = value.As<double>()) {
      return Add(prefix, NumbersTensor<double>(checkpoint::Dtype::kF64, {},
                                               {number, 1}));
    }
    if (const auto* const ints = value.As<checkpoint::PtInts>()) {
      return Add(prefix, NumbersTensor<int64_t>(
                             checkpoint::Dtype::kI64,
                             {static_cast<int64_t>(ints->size())}, *ints));
    }
    if (const auto* const list = value.As<checkpoint::PtList>()) {
      for (size_t i = 0; i < list->size(); ++i) {
        MOE_RETURN_IF_ERROR(
            Flatten(Join(prefix, static_cast<int64_t>(i)), (*list)[i]));
      }
      return absl::OkStatus();
    }
    for (const checkpoint::PtEntry& entry :
         value.As<checkpoint::PtDict>()->entries) {
      MOE_RETURN_IF_ERROR(Flatten(Join(prefix, entry.key), entry.value));
    }
    return absl::OkStatus();
  }

  // A key stands in the file once, and in the name of every value below it.
  static constexpr uint64_t kFewNameBytes = 1 << 24;
  static constexpr uint64_t kNameBytesPerByte = 16;

  uint64_t name_bytes_left_ = 0;
  absl::flat_hash_set<std::string> names_;
  std::vector<checkpoint::Shared<checkpoint::HostTensor>>
      data_;  // In the order of tensors().
};

absl::Status CheckNotJson(const base::RandomAccessFile& file) {
  const std::string name = base::SplitPath(file.path()).name;
  if (!absl::EndsWith(name, ".json")) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      file.path(), " is a JSON file; name the directory it is in"));
}

absl::StatusOr<std::unique_ptr<TensorSource>> OpenFile(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const base::RandomAccessFile file,
                       base::RandomAccessFile::Open(path));
  MOE_RETURN_IF_ERROR(CheckNotJson(file));
  MOE_ASSIGN_OR_RETURN(const bool is_pt, checkpoint::IsPtFile(file));
  if (is_pt) {
    auto source = std::make_unique<PtSource>(path);
    MOE_RETURN_IF_ERROR(source->Load());
    return source;
  }
  MOE_ASSIGN_OR_RETURN(checkpoint::SafetensorsFile tensors,
                       checkpoint::SafetensorsFile::Open(path));
  return std::make_unique<SafetensorsSource<checkpoint::SafetensorsFile>>(
      path, SourceKind::kSafetensors, std::move(tensors));
}

}  // namespace

absl::string_view SourceKindName(SourceKind kind) {
  switch (kind) {
    case SourceKind::kDirectory:
      return "directory";
    case SourceKind::kSafetensors:
      return "safetensors file";
    case SourceKind::kPt:
      return ".pt file";
  }
  return "";
}

absl::StatusOr<std::unique_ptr<TensorSource>> OpenTensorSource(
    absl::string_view path) {
  std::error_code error;
  if (!std::filesystem::exists(std::string(path), error) && !error) {
    return absl::NotFoundError(absl::StrCat(path, " does not exist"));
  }
  if (!std::filesystem::is_directory(std::string(path), error)) {
    return OpenFile(path);
  }
  MOE_ASSIGN_OR_RETURN(checkpoint::ShardedTensors tensors,
                       checkpoint::ShardedTensors::Open(path));
  return std::make_unique<SafetensorsSource<checkpoint::ShardedTensors>>(
      path, SourceKind::kDirectory, std::move(tensors));
}

}  // namespace moe::evaluate
