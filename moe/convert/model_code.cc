#include "moe/convert/model_code.h"

#include <map>
#include <string>

#include "moe/checkpoint/moe_config.h"
#include "moe/convert/model_code_text.h"

namespace moe {

std::map<std::string, std::string> ModelCodeFiles() {
  return {{kModelConfigurationFile, kModelConfigurationText},
          {kModelCodeFile, kModelCodeText}};
}

}  // namespace moe
