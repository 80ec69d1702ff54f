#pragma once

#include <boost/system/result.hpp>
#include <dumb/base/error.hpp>

namespace dumb {

/// Either a value or an Error. Expected failures travel in it; exceptions are for broken promises.
template <class T = void>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
};

/// Called by `value()` on a failed result; found by argument-dependent look-up.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

}  // namespace dumb
