#include "program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "support/support.hpp"

namespace dumb::test {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

void Program::Stream::drain() {
  char bytes[65536];
  for (ssize_t count = 0; (count = ::read(fd, bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<std::size_t>(count));
}

Program::Program(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  int out[2];
  int err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  const int failed = ::posix_spawn(&pid_, argv.at(0).c_str(), &actions, nullptr, pointers(argv).data(),
                                   pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  ::close(err[1]);
  output_.fd = out[0];
  errors_.fd = err[0];
  for (const int fd : {out[0], err[0]}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  if (failed != 0) throw std::runtime_error("cannot run " + argv.at(0));
}

Program::~Program() {
  if (!status_) {
    ::kill(pid_, SIGKILL);
    wait();
  }
  ::close(output_.fd);
  ::close(errors_.fd);
}

std::string Program::output() {
  output_.drain();
  return output_.text;
}

std::string Program::errors() {
  errors_.drain();
  return errors_.text;
}

bool Program::prints(std::string_view text) {
  return eventually([&] {
           return output().find(text) != std::string::npos || wait(std::chrono::milliseconds(0));
         }) &&
         output().find(text) != std::string::npos;
}

void Program::signal(int number) {
  // Not reaped yet, so the id cannot belong to anybody else.
  if (!status_) ::kill(pid_, number);
}

std::optional<int> Program::wait(std::chrono::milliseconds deadline) {
  if (status_) return status_;
  eventually(
      [&] {
        output_.drain();  // a full pipe would hold the program up
        errors_.drain();
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        return true;
      },
      deadline);
  return status_;
}

int Program::listening_port() {
  if (!prints("listening on http://")) throw std::runtime_error("the server does not listen: " + errors());
  const std::string text = output();
  const auto line = text.find("listening on http://");
  const auto end = text.find('\n', line);
  return std::stoi(text.substr(text.rfind(':', end) + 1, end));
}

}  // namespace dumb::test
