// The pickle inside a `.pt` file, read as data and never run.
//
// A `.pt` file is a zip archive whose `data.pkl` is a program for Python's
// pickle machine and whose `data/KEY` records are the tensors' storages. This
// is that machine cut down to what torch.save writes for numbers, strings,
// lists, tuples, dicts and tensors, in pickle protocols 2 to 5. Anything else,
// an arbitrary Python object above all, is refused by name.
//
// Why not LibTorch's own torch::jit::Unpickler: it trusts its input. In the
// oldest release that is supported here it indexes its stack without looking,
// and in none does it hold a tensor's sizes and strides against the bytes that
// its storage has, so that a damaged file reads memory that is not its own.
// Here every index is checked, a tensor is gathered out of the record's bytes,
// and what a small file may grow into is bounded.
//
// Tensors come out contiguous, whatever view of whatever shared storage, on
// whatever device, they were when saved.

#ifndef MOE_CHECKPOINT_ARTIFACT_PT_PICKLE_H_
#define MOE_CHECKPOINT_ARTIFACT_PT_PICKLE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/artifact/pt_value.h"

namespace moe {

// The bytes of the record `data/KEY`.
using PtStorageReader =
    std::function<absl::StatusOr<std::string>(absl::string_view key)>;

// What a file may become in memory. Shared objects and views with stride 0 are
// written out in full, so that few bytes can stand for very many: of tensors'
// data, and also of keys, shapes and names. The numbers leave room for the
// neuron indices and importance scores of every LLaMA.
struct PtLimits {
  int64_t num_values = int64_t{1} << 26;
  int64_t tensor_bytes = int64_t{1} << 33;
  // Of the tree's keys and shapes, and once more of what is copied of strings
  // and shapes while the pickle is run.
  int64_t label_bytes = int64_t{1} << 28;
  int depth = 32;
};

// The tree that `pickle` describes. Errors name the byte of the pickle, or the
// place in the tree. DataLoss if the pickle ends too early or a storage is
// shorter than its tensors, InvalidArgument if it is malformed, Unimplemented
// for a type that PtValue does not have, ResourceExhausted over a limit, and
// what `read_storage` returns.
absl::StatusOr<PtValue> ParsePtPickle(absl::string_view pickle,
                                      const PtStorageReader& read_storage,
                                      const PtLimits& limits = {});

}  // namespace moe

#endif  // MOE_CHECKPOINT_ARTIFACT_PT_PICKLE_H_
