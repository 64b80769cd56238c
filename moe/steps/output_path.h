// Whether a file that a command will write at its end could be written: asked
// before hours of work.

#ifndef MOE_STEPS_OUTPUT_PATH_H_
#define MOE_STEPS_OUTPUT_PATH_H_

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace moe {

struct OutputTarget {
  std::string flag;  // "--save_path"
  std::string path;
  bool overwrite = false;
  // What it is, "token artifact", and a name for one.
  std::string what;
  std::string example_name;
  // Whether the file at a path is one: with `overwrite`, nothing else is
  // replaced, so that a mistyped path costs nobody a dataset or a model.
  std::function<bool(const std::string& path)> is_replaceable;
};

// Missing directories are made later, in the nearest one that is there.
// InvalidArgument if the path is a directory, or a file of another kind that
// would be replaced; AlreadyExists if there is a file and `overwrite` is not
// set; otherwise what the system reports of the directory.
absl::Status CheckOutputFile(const OutputTarget& file);

// For is_replaceable: a safetensors file whose metadata have this entry.
std::function<bool(const std::string&)> SafetensorsWith(std::string key,
                                                        std::string value);

}  // namespace moe

#endif  // MOE_STEPS_OUTPUT_PATH_H_
