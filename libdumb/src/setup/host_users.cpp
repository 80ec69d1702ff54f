#include "setup/host_users.hpp"

#include <algorithm>
#include <dumb/base/text.hpp>
#include <utility>

namespace dumb::setup::host {
namespace {

constexpr const char* service_shell = "/bin/bash";

// Fields of passwd(5), group(5) and shadow(5).
constexpr std::size_t name_field = 0, password_field = 1, id_field = 2, group_id_field = 3, home_field = 5,
                      shell_field = 6;

/// The lines of a colon separated file; only those that are touched are written anew.
class Table {
 public:
  Table(std::string_view text, std::size_t fields) : fields_(fields) {
    lines_ = text::split(text, '\n');
    if (!lines_.empty() && lines_.back().empty()) lines_.pop_back();
  }

  /// The first entry whose field `at` is `value`; nullopt when there is none.
  std::optional<std::size_t> find(std::size_t at, std::string_view value) const {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const auto fields = entry(i);
      if (!fields.empty() && fields[at] == value) return i;
    }
    return std::nullopt;
  }
  /// The first entry with that number in field `at`, however it is spelled.
  std::optional<std::size_t> find_id(std::size_t at, std::int64_t id) const {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const auto fields = entry(i);
      if (!fields.empty() && text::to_int(fields[at]) == id) return i;
    }
    return std::nullopt;
  }
  /// Empty for a line that is no entry.
  std::vector<std::string> entry(std::size_t line) const {
    std::vector<std::string> fields = text::split(lines_[line], ':');
    const bool is_entry = fields.size() >= fields_ && !fields[name_field].empty() &&
                          fields[name_field].find_first_of("#+-") != 0;
    return is_entry ? fields : std::vector<std::string>();
  }
  void set(std::size_t line, std::size_t field, const std::string& value) {
    std::vector<std::string> fields = entry(line);
    if (fields[field] == value) return;
    fields[field] = value;
    lines_[line] = text::join(fields, ":");
    changed_ = true;
  }
  void append(const std::vector<std::string>& fields) {
    lines_.push_back(text::join(fields, ":"));
    changed_ = true;
  }
  /// `text` itself when nothing was touched.
  std::string written(std::string text) const {
    return changed_ ? text::join(lines_, "\n") + "\n" : std::move(text);
  }

 private:
  std::size_t fields_;
  std::vector<std::string> lines_;
  bool changed_ = false;
};

bool locked(std::string_view password) {
  return !password.empty() && (password.front() == '!' || password.front() == '*');
}

/// Locks an entry as `usermod -L` does, by a mark in front of what is there.
void lock(Table& table, std::size_t line) {
  const std::string password = table.entry(line)[password_field];
  if (!locked(password)) table.set(line, password_field, "!" + password);
}

std::string edit_group(UserTexts& texts, gid_t gid) {
  Table groups(texts.group, 3);
  const auto same_id = groups.find_id(id_field, gid);
  std::string name = service_name;
  if (same_id) {
    name = groups.entry(*same_id)[name_field];
  } else if (const auto same_name = groups.find(name_field, service_name)) {
    groups.set(*same_name, id_field, std::to_string(gid));
  } else {
    groups.append({service_name, "x", std::to_string(gid), ""});
  }
  texts.group = groups.written(std::move(texts.group));
  return name;
}

void lock_password(UserTexts& texts, Table& users, std::size_t line) {
  if (!texts.shadow) {
    lock(users, line);
    return;
  }
  Table passwords(*texts.shadow, 2);
  const std::string in_passwd = users.entry(line)[password_field];
  if (const auto found = passwords.find(name_field, service_name)) {
    lock(passwords, *found);
  } else {
    // A password kept in passwd moves to shadow, behind the lock.
    const bool keep = in_passwd != "x" && !locked(in_passwd);
    passwords.append({service_name, keep ? "!" + in_passwd : "!", "", "0", "99999", "7", "", "", ""});
  }
  if (!locked(in_passwd)) users.set(line, password_field, "x");
  texts.shadow = passwords.written(std::move(*texts.shadow));
}

}  // namespace

UserEdit with_service_user(UserTexts now, uid_t uid, gid_t gid) {
  UserEdit edit;
  edit.texts = std::move(now);
  edit.account = service_name;
  edit.group = edit_group(edit.texts, gid);
  Table users(edit.texts.passwd, 7);
  const auto same_id = users.find_id(id_field, uid);
  auto line = users.find(name_field, service_name);
  if (same_id && users.entry(*same_id)[name_field] != service_name) {
    edit.account = users.entry(*same_id)[name_field];
    return edit;
  }
  if (!line) {
    users.append(
        {service_name, "x", std::to_string(uid), std::to_string(gid), "", service_home, service_shell});
    line = users.find(name_field, service_name);
  }
  users.set(*line, id_field, std::to_string(uid));
  users.set(*line, group_id_field, std::to_string(gid));
  users.set(*line, home_field, service_home);
  users.set(*line, shell_field, service_shell);
  lock_password(edit.texts, users, *line);
  edit.texts.passwd = users.written(std::move(edit.texts.passwd));
  return edit;
}

}  // namespace dumb::setup::host
