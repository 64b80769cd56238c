// The pickle inside a `.pt` file, read as data and never run.
//
// A `.pt` file is a zip archive whose `data.pkl` is a program for Python's
// pickle machine and whose `data/KEY` records are the tensors' storages. This
// is that machine cut down to what torch.save writes for numbers, strings,
// lists, tuples, dicts and tensors, in pickle protocols 2 to 5. Anything else,
// an arbitrary Python object above all, is refused by name.
//
// LibTorch's own torch::jit::Unpickler is not used, because it trusts its
// input. In the oldest supported release it indexes its stack without a check,
// and in no release does it compare a tensor's sizes and strides with the bytes
// of its storage. So a damaged file would read foreign memory.
// Here every index is checked, a tensor is gathered out of the record's bytes,
// none is larger than its storage, and what a small file may grow into is
// bounded.
//
// All tensors are returned contiguous, from any view, shared storage or device.

#ifndef MOE_CHECKPOINT_ARTIFACT_PT_PICKLE_H_
#define MOE_CHECKPOINT_ARTIFACT_PT_PICKLE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/artifact/pt_value.h"

namespace moe::checkpoint {

// The bytes of the record `data/KEY`.
using PtStorageReader =
    std::function<absl::StatusOr<std::string>(absl::string_view key)>;

// Limits on the contents of a file. A shared object is in memory once, but a
// walk through the tree meets it in each place. The limits bound what the walk
// meets, so that few bytes cannot stand for very many.
struct PtLimits {
  // Numbers, lists, dicts and tensors; a list of ints counts as one.
  int64_t num_values = 0;
  // The bytes of tensors' elements, and 8 for each int of a list.
  int64_t data_bytes = 0;
  // The bytes of the tree's keys and shapes, and of the strings and shapes that
  // are copied while the pickle is run.
  int64_t label_bytes = 0;
  int depth = 32;
};

// The limits for a pickle and a file of these sizes. An object that is saved
// once takes less. The rest is room for objects that are really shared, such as
// one list of neurons for all layers, or tied weights.
PtLimits PtLimitsOf(uint64_t pickle_bytes, uint64_t file_bytes);

// The tree that `pickle` describes. Errors name the byte of the pickle, or the
// place in the tree. DataLoss if the pickle ends too early or a storage is
// shorter than its tensors, InvalidArgument if it is malformed or a tensor has
// more elements than its storage, Unimplemented for a type that PtValue does
// not have, ResourceExhausted over a limit, and what `read_storage` returns.
// Memory and time are proportional to the pickle, the storages and
// `limits.data_bytes`, whatever the pickle says.
absl::StatusOr<PtValue> ParsePtPickle(absl::string_view pickle,
                                      const PtStorageReader& read_storage,
                                      const PtLimits& limits);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_PT_PICKLE_H_
