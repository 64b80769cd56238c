// `.pt` files: what Python's torch.save writes and torch.load reads.
//
// LibTorch writes them, in the plugin of moe/base/torch_plugin.h. It does not
// read them: pt_pickle.h and pt_bridge.cc say why.

#ifndef MOE_CHECKPOINT_ARTIFACT_PT_BRIDGE_H_
#define MOE_CHECKPOINT_ARTIFACT_PT_BRIDGE_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/random_access_file.h"
#include "moe/checkpoint/artifact/pt_value.h"

namespace moe::checkpoint {

// The contents of a file that torch.save wrote: ints, floats, lists and tuples,
// dicts, dense tensors (contiguous here, from any device). All of it in memory.
// Unimplemented for other objects and for the format from before PyTorch 1.6,
// and for compressed records; DataLoss for an archive that is cut short or does
// not hold together, InvalidArgument for one that is no such file. Every error
// names the path. Ignores the archive's checksums, as PyTorch does.
absl::StatusOr<PtValue> ReadPtFile(absl::string_view path);

// Whether WritePtFile can write: the errors of MOE_TORCH_FUNCTION. Asked before
// the work whose result it is to write.
absl::Status CheckPtWriter();

// Writes `value` to `path` atomically, so that torch.load opens it with its
// defaults (weights_only) as plain ints, floats, lists, dicts and tensors. The
// bytes are a function of the value and the LibTorch release. Tensors of BF16,
// F16, F32, F64, I64, I32, I16, I8, U8 and Bool; Unimplemented for others.
// AlreadyExists if the file exists and `overwrite` is not set; the errors of
// MOE_TORCH_FUNCTION.
absl::Status WritePtFile(const PtValue& value, absl::string_view path,
                         bool overwrite);

enum class PtFormat {
  kNone,          // Something else, a safetensors file for one.
  kZip,           // A zip archive, as torch.save writes.
  kLegacyPickle,  // A bare pickle, as it wrote before PyTorch 1.6.
};

// The number of bytes that PtFormatOf needs.
inline constexpr size_t kPtFormatBytes = 9;

// The format of a file that starts with these bytes: kPtFormatBytes of them, or
// all bytes of a shorter file. Always kNone for a valid safetensors file.
PtFormat PtFormatOf(absl::string_view first_bytes);

absl::StatusOr<PtFormat> ReadPtFormat(const base::RandomAccessFile& file);

// Whether `file` is a `.pt` file, in either of its formats.
absl::StatusOr<bool> IsPtFile(const base::RandomAccessFile& file);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_PT_BRIDGE_H_
