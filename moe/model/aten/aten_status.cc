#include "moe/model/aten/aten_status.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe::model {
namespace {

absl::Status OutOfMemory(absl::string_view message) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "LibTorch: ", message,
      "; the device holds the hidden states of all tokens and one layer's "
      "weights: give fewer tokens, or use a device with more memory"));
}

absl::Status FromMessage(const std::string& message) {
  // LibTorch's allocator for the host throws no type of its own.
  if (absl::StrContains(message, "can't allocate memory")) {
    return OutOfMemory(message);
  }
  if (absl::StrContains(message, "CUDA")) {
    return absl::UnavailableError(absl::StrCat(
        "LibTorch: ", message,
        "; check that the device and its driver work, or use --device=cpu"));
  }
  return absl::InternalError(absl::StrCat("LibTorch: ", message));
}

}  // namespace

absl::Status AtenExceptionStatus() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return OutOfMemory(error.what_without_backtrace());
  } catch (const c10::Error& error) {
    return FromMessage(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return OutOfMemory("the host has no memory left");
  } catch (const std::exception& error) {
    return FromMessage(error.what());
  }
}

}  // namespace moe::model
