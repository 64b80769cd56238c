// What a comparison found, for a person and for a program.

#ifndef MOE_EVALUATE_DIFF_REPORT_H_
#define MOE_EVALUATE_DIFF_REPORT_H_

#include <cstdint>
#include <string>

#include "moe/base/json.h"
#include "moe/evaluate/checkpoint_diff.h"

namespace moe {

// Lines of text: the paths, the fields of config.json that differ, how many
// tensors have which status, what is to say about those that are not the same,
// and the verdict. Of such tensors the first `max_listed` are listed, all of
// them if it is 0.
std::string FormatDiff(const CheckpointDiff& diff, int64_t max_listed);

// The same for programs, with every tensor. Fields are in a fixed order and
// numbers have every digit; infinity, which JSON does not have, is null.
Json DiffToJson(const CheckpointDiff& diff);

}  // namespace moe

#endif  // MOE_EVALUATE_DIFF_REPORT_H_
