#include "moe/checkpoint/safetensors_header.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

constexpr char kMetadataKey[] = "__metadata__";
absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("malformed safetensors header: ", what));
}

// Reads the JSON event by event: no document is built, the nesting is bounded
// by what the format has, and a name that occurs twice is seen.
class HeaderHandler : public nlohmann::json_sax<base::SortedJson> {
 public:
  absl::Status TakeStatus() { return std::move(status_); }
  SafetensorsHeader TakeHeader() { return std::move(header_); }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(int64_t value) override {
    return Unexpected(absl::StrCat("the negative number ", value));
  }
  bool number_float(double, const std::string& text) override {
    return Unexpected(absl::StrCat("the number ", text));
  }
  bool binary(base::SortedJson::binary_t&) override {
    return Unexpected("binary data");
  }

  bool number_unsigned(uint64_t value) override {
    if (state_ != State::kShape && state_ != State::kOffsets) {
      return Unexpected(absl::StrCat("the number ", value));
    }
    numbers_.push_back(value);
    return true;
  }

  bool string(std::string& value) override {
    if (state_ == State::kMetadataValue) {
      header_.metadata[key_] = value;
      state_ = State::kMetadata;
      return true;
    }
    if (state_ != State::kDtype) return Unexpected("a string");
    absl::StatusOr<Dtype> dtype = ParseDtype(value);
    if (!dtype.ok()) return Fail(base::Annotate(dtype.status(), Tensor()));
    tensor_.spec.dtype = *dtype;
    state_ = State::kTensor;
    return true;
  }

  bool start_object(size_t) override {
    switch (state_) {
      case State::kStart:
        state_ = State::kTop;
        return true;
      case State::kTensorValue:
        state_ = State::kTensor;
        fields_.clear();
        return true;
      case State::kMetadataObject:
        state_ = State::kMetadata;
        return true;
      default:
        return Unexpected("an object");
    }
  }

  bool key(std::string& name) override {
    if (state_ == State::kTop) return StartEntry(name);
    if (state_ == State::kMetadata) {
      if (header_.metadata.count(name) > 0) {
        return Refuse(kMetadataKey, ": \"", name, "\" occurs twice");
      }
      key_ = name;
      state_ = State::kMetadataValue;
      return true;
    }
    return StartField(name);
  }

  bool end_object() override {
    switch (state_) {
      case State::kTensor:
        return FinishTensor();
      case State::kMetadata:
        state_ = State::kTop;
        return true;
      default:
        state_ = State::kEnd;
        return true;
    }
  }

  bool start_array(size_t) override {
    if (state_ != State::kShapeArray && state_ != State::kOffsetsArray) {
      return Unexpected("an array");
    }
    state_ = state_ == State::kShapeArray ? State::kShape : State::kOffsets;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    const bool shape = state_ == State::kShape;
    state_ = State::kTensor;
    return shape ? FinishShape() : FinishOffsets();
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    return Refuse("at byte ", position, " of the JSON: ", error.what());
  }

 private:
  // What the next event has to be, or to be inside of.
  enum class State {
    kStart,
    kTop,  // A tensor's name, __metadata__, or the end.
    kMetadataObject,
    kMetadata,
    kMetadataValue,
    kTensorValue,
    kTensor,  // A field's name, or the tensor's end.
    kDtype,
    kShapeArray,
    kShape,
    kOffsetsArray,
    kOffsets,
    kEnd,
  };

  bool Fail(absl::Status status) {
    status_ = std::move(status);
    return false;
  }

  template <typename... Args>
  bool Refuse(const Args&... what) {
    return Fail(Malformed(absl::StrCat(what...)));
  }

  std::string Tensor() const {
    return absl::StrCat("tensor \"", tensor_.spec.name, "\"");
  }

  bool Unexpected(absl::string_view got) {
    switch (state_) {
      case State::kStart:
        return Refuse("expected an object, found ", got);
      case State::kMetadataObject:
        return Refuse(kMetadataKey, ": expected an object, found ", got);
      case State::kMetadataValue:
        return Refuse(kMetadataKey, ": \"", key_,
                      "\": expected a string, found ", got);
      case State::kTensorValue:
        return Refuse(Tensor(), ": expected an object, found ", got);
      case State::kShape:
      case State::kOffsets:
        return Refuse(Tensor(), ": ", key_, ": expected whole numbers, found ",
                      got);
      default:
        return Refuse(
            Tensor(), ": ", key_, ": expected ",
            state_ == State::kDtype ? "a string" : "an array of numbers",
            ", found ", got);
    }
  }

  bool StartEntry(const std::string& name) {
    if (!names_.insert(name).second) {
      return Refuse("\"", name, "\" occurs twice");
    }
    if (name == kMetadataKey) {
      state_ = State::kMetadataObject;
      return true;
    }
    tensor_ = SafetensorsTensor();
    tensor_.spec.name = name;
    state_ = State::kTensorValue;
    return true;
  }

  bool StartField(const std::string& name) {
    key_ = name;
    if (!fields_.insert(name).second) {
      return Refuse(Tensor(), ": ", name, " occurs twice");
    }
    if (name == "dtype") {
      state_ = State::kDtype;
    } else if (name == "shape") {
      state_ = State::kShapeArray;
    } else if (name == "data_offsets") {
      state_ = State::kOffsetsArray;
    } else {
      return Refuse(
          Tensor(),
          ": expected dtype, shape and data_offsets, found the field \"", name,
          "\"");
    }
    return true;
  }

  bool FinishShape() {
    for (const uint64_t size : numbers_) {
      if (size > uint64_t{std::numeric_limits<int64_t>::max()}) {
        return Refuse(Tensor(), ": the dimension ", size, " overflows");
      }
      tensor_.spec.shape.push_back(static_cast<int64_t>(size));
    }
    return true;
  }

  bool FinishOffsets() {
    if (numbers_.size() != 2) {
      return Refuse(Tensor(), ": data_offsets: expected 2 numbers, found ",
                    numbers_.size());
    }
    tensor_.begin = numbers_[0];
    tensor_.end = numbers_[1];
    return true;
  }

  bool FinishTensor() {
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (!fields_.contains(field)) {
        return Refuse(Tensor(), ": expected ", field, ", found none");
      }
    }
    header_.tensors.push_back(std::move(tensor_));
    state_ = State::kTop;
    return true;
  }

  State state_ = State::kStart;
  absl::Status status_;
  SafetensorsHeader header_;
  absl::flat_hash_set<std::string> names_;
  absl::flat_hash_set<std::string> fields_;  // The tensor's that is read.
  std::string key_;
  SafetensorsTensor tensor_;
  std::vector<uint64_t> numbers_;
};

// `start` is where the tensor before ends.
absl::Status CheckTensor(const SafetensorsTensor& tensor, uint64_t start) {
  const auto malformed = [&](absl::string_view what) {
    return Malformed(absl::StrCat("tensor \"", tensor.spec.name, "\": ", what));
  };
  if (tensor.end < tensor.begin || tensor.begin != start) {
    return malformed(
        absl::StrCat("expected data from offset ", start,
                     " on, where the data before it end, found data_offsets [",
                     tensor.begin, ", ", tensor.end, "]",
                     tensor.end < tensor.begin ? ": it ends before it begins"
                     : tensor.begin < start ? ": it overlaps what is before it"
                                            : ": there is a gap before it"));
  }
  const absl::Status valid = ValidateTensorSpec(tensor.spec);
  if (!valid.ok()) return Malformed(valid.message());
  const uint64_t want = static_cast<uint64_t>(NumBytes(tensor.spec));
  const uint64_t got = tensor.end - tensor.begin;
  if (got != want) {
    return malformed(absl::StrCat(
        "expected ", want, " bytes for ", DtypeName(tensor.spec.dtype), " ",
        FormatShape(tensor.spec.shape), ", found ", got, " in data_offsets [",
        tensor.begin, ", ", tensor.end, "]"));
  }
  return absl::OkStatus();
}

absl::Status CheckTensors(SafetensorsHeader& header, uint64_t file_size_bytes) {
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
              return std::tie(a.begin, a.end, a.spec.name) <
                     std::tie(b.begin, b.end, b.spec.name);
            });
  uint64_t data_bytes = 0;
  for (const SafetensorsTensor& tensor : header.tensors) {
    MOE_RETURN_IF_ERROR(CheckTensor(tensor, data_bytes));
    data_bytes = tensor.end;
  }
  const uint64_t found = file_size_bytes - header.data_offset;
  for (const SafetensorsTensor& tensor : header.tensors) {
    if (tensor.end <= found) continue;
    return absl::DataLossError(absl::StrCat(
        "truncated: tensor \"", tensor.spec.name,
        "\": expected data up to offset ", header.data_offset + tensor.end,
        ", found the end of the file at ", file_size_bytes));
  }
  if (found > data_bytes) {
    return Malformed(absl::StrCat(
        "expected ", data_bytes, " bytes of data, found ", found, ": ",
        found - data_bytes, " bytes at its end belong to no tensor"));
  }
  return absl::OkStatus();
}

void AppendJsonString(absl::string_view text, std::string& out) {
  out += base::SortedJson(std::string(text)).dump();
}

}  // namespace

absl::StatusOr<uint64_t> ParseSafetensorsHeaderSize(
    absl::string_view first_bytes, uint64_t file_size_bytes) {
  if (first_bytes.size() < kSafetensorsLengthBytes) {
    return absl::DataLossError(absl::StrCat(
        "truncated: expected 8 bytes of length at the start, found ",
        first_bytes.size(), " bytes"));
  }
  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) {
    header_bytes = (header_bytes << 8) | static_cast<uint8_t>(first_bytes[i]);
  }
  if (header_bytes > kMaxSafetensorsHeaderBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "expected a header of at most ", kMaxSafetensorsHeaderBytes,
        " bytes, found the length ", header_bytes,
        " at offset 0; give the path of a safetensors file"));
  }
  if (header_bytes > file_size_bytes - kSafetensorsLengthBytes) {
    return absl::DataLossError(
        absl::StrCat("truncated: expected ", header_bytes,
                     " bytes of header at offset 8, found ",
                     file_size_bytes - kSafetensorsLengthBytes));
  }
  return header_bytes;
}

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(
    absl::string_view json, uint64_t file_size_bytes) {
  if (json.empty() || json.front() != '{') {
    return Malformed("expected '{' at its start, found something else");
  }
  HeaderHandler handler;
  const bool parsed =
      base::SortedJson::sax_parse(json.begin(), json.end(), &handler);
  if (!parsed) return handler.TakeStatus();
  SafetensorsHeader header = handler.TakeHeader();
  header.data_offset = kSafetensorsLengthBytes + json.size();
  MOE_RETURN_IF_ERROR(CheckTensors(header, file_size_bytes));
  return header;
}

std::string FormatSafetensorsHeader(absl::Span<const TensorSpec> tensors,
                                    const SafetensorsMetadata& metadata) {
  std::string json = "{";
  if (!metadata.empty()) {
    json += absl::StrCat("\"", kMetadataKey,
                         "\":", base::SortedJson(metadata).dump());
  }
  int64_t begin = 0;
  for (const TensorSpec& tensor : tensors) {
    if (json.size() > 1) json += ",";
    AppendJsonString(tensor.name, json);
    const int64_t end = begin + NumBytes(tensor);
    absl::StrAppend(&json, ":{\"dtype\":\"", DtypeName(tensor.dtype),
                    "\",\"shape\":[", absl::StrJoin(tensor.shape, ","),
                    "],\"data_offsets\":[", begin, ",", end, "]}");
    begin = end;
  }
  json += "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  std::string out;
  for (int i = 0; i < 8; ++i) {
    out.push_back(static_cast<char>(uint64_t{json.size()} >> (8 * i)));
  }
  return out + json;
}

}  // namespace moe::checkpoint
