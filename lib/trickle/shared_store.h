// One channel store for several threads: each of them has a view of it, which is a store like any other.
//
//     thread 1               thread 2
//    ┌─────────┐            ┌─────────┐     A view holds copies of those segments that its own readers read,
//    │ readers │            │ readers │     and of their channels. The chunks are shared: they never change.
//    ├─────────┤            ├─────────┤     So delivering them takes no lock.
//    │  view   │            │  view   │
//    └────┬────┘            └────┬────┘     Each call goes through to the store, under the one lock. What it
//    ─ ─ ─│─ ─ ─ one lock ─ ─ ─ ─│─ ─ ─     changes is noted for the views that have a copy of it, and their
//    ┌────┴──────────────────────┴────┐     threads are woken: once for any number of notes. They bring their
//    │             store              │     copies up to date, under the lock, and tell their readers,
//    └────────────────────────────────┘     without it.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "trickle/channel_store.h"

namespace trickle {

class SharedStore;

/// Belongs to one thread, as does everything that it hands out; its listeners are called there.
class StoreView final : public ChannelStore {
 public:
  /// \param wake  has to bring it about that catch_up() is called, soon and on the view's thread. Called from
  ///              any thread, with no lock held, and not again before catch_up() was.
  StoreView(std::shared_ptr<SharedStore> shared, std::function<void()> wake);
  /// No other view of the store may be in use meanwhile.
  ~StoreView() override;

  void catch_up();

  /// Of all views, the last one that set an observer has it called, on its thread.
  void set_observer(Observer observer) override;
  CreateStatus create(std::string_view name, ChannelOptions options, bool may_create) override;
  WriteGrant open_write(const WriteRequest& request, WriterListener& listener) override;
  ReadGrant open_read(std::string_view name, ReadSelector selector) override;
  void release(const std::shared_ptr<Segment>& segment) override;
  std::shared_ptr<Segment> follow(const std::shared_ptr<Segment>& current) override;
  void listen(const ChannelHead& head, ChangeListener& listener) override;
  KeptSegments kept(const ChannelHead& head, SegmentNumber above) const override;
  std::shared_ptr<const ChannelHead> find(std::string_view name) const override;
  CloseStatus close_segment(std::string_view name, SegmentNumber number) override;
  bool remove(std::string_view name) override;
  void sweep() override;
  void begin_shutdown() override;
  bool writing() const override;
  void end_shutdown() override;
  std::vector<ChannelReport> report() const override;
  StoreTotals totals() const override;

 private:
  class Locked;
  class Note;
  class Copy;
  class ChannelCopy;
  class Writer;
  class ObserverNote;

  void note(std::shared_ptr<Note> note);
  std::shared_ptr<ChannelCopy> copy_of(const std::shared_ptr<const ChannelHead>& original) const;
  std::shared_ptr<Copy> copy_of(const std::shared_ptr<Segment>& original);

  const std::shared_ptr<SharedStore> shared_;
  const std::function<void()> wake_;
  Observer observer_;
  /// Of channels that have not ended, by their originals; and of segments that have readers here.
  mutable std::unordered_map<const ChannelHead*, std::shared_ptr<ChannelCopy>> channels_;
  std::unordered_map<const Segment*, std::shared_ptr<Copy>> segments_;
  bool catching_up_ = false;
  std::vector<std::shared_ptr<Note>> in_hand_;

  // Under the lock.
  std::vector<std::shared_ptr<Note>> notes_;
  bool woken_ = false;
};

/// \return a store that views can be made of; `store` may have been used before, but not by listeners.
[[nodiscard]] std::shared_ptr<SharedStore> share_store(std::unique_ptr<ChannelStore> store);

}  // namespace trickle
