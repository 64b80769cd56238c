// The Python files that travel with a checkpoint, so that transformers loads it
// with trust_remote_code=True. They are in the program itself: it needs no file
// of its own where it runs.

#ifndef MOE_CONVERT_MODEL_CODE_H_
#define MOE_CONVERT_MODEL_CODE_H_

#include <map>
#include <string>

namespace moe {

// File name -> contents: kModelConfigurationFile and kModelCodeFile.
std::map<std::string, std::string> ModelCodeFiles();

}  // namespace moe

#endif  // MOE_CONVERT_MODEL_CODE_H_
