// How the kernels' side says no: a kind that the bindings turn into a Python exception, and a text for people.
#pragma once
#include <stdarg.h>
#include <stdio.h>

namespace loopnest {

struct Error {
  enum Kind : int { None, Value, Type, Index, Memory };
  Kind kind = None;
  char text[1000];
  Error() { text[0] = 0; }  // not the other 999: an Error is made in every call
};

// Fills in the error and returns false, so that a check reads `if (bad) return fail(e, Error::Value, "...")`.
__attribute__((format(printf, 3, 4))) inline bool fail(Error& error, Error::Kind kind, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error.text, sizeof error.text, format, arguments);
  va_end(arguments);
  error.kind = kind;
  return false;
}

}  // namespace loopnest
