#include "trickle/shared_store.h"

#include "trickle/shared_store_parts.h"

namespace trickle {

std::shared_ptr<SharedStore> share_store(std::unique_ptr<ChannelStore> store) {
  return std::make_shared<SharedStore>(std::move(store));
}

StoreView::StoreView(std::shared_ptr<SharedStore> shared, std::function<void()> wake)
    : shared_(std::move(shared)), wake_(std::move(wake)) {}

StoreView::~StoreView() {
  const std::lock_guard lock(shared_->mutex);
  if (observer_) shared_->store->set_observer({});
  segments_.clear();
  channels_.clear();
}

void StoreView::note(std::shared_ptr<Note> note) {
  if (std::exchange(note->noted_, true)) return;
  notes_.push_back(std::move(note));
  if (shared_->caller == this) {
    shared_->noted_own = true;
  } else if (!std::exchange(woken_, true)) {
    shared_->to_wake.push_back(this);
  }
}

// What listeners change while they are told is told by the same loop.
void StoreView::catch_up() {
  if (std::exchange(catching_up_, true)) return;
  while (true) {
    {
      const std::lock_guard lock(shared_->mutex);
      woken_ = false;
      in_hand_.swap(notes_);
      for (const auto& note : in_hand_) {
        note->noted_ = false;
        note->catch_up();
      }
    }
    if (in_hand_.empty()) break;
    for (const auto& note : in_hand_) note->tell();
    in_hand_.clear();
  }
  catching_up_ = false;
}

std::shared_ptr<StoreView::ChannelCopy> StoreView::copy_of(
    const std::shared_ptr<const ChannelHead>& original) const {
  const auto found = channels_.find(original.get());
  auto copy = found != channels_.end()
                  ? found->second
                  : std::make_shared<ChannelCopy>(const_cast<StoreView&>(*this), original);
  if (found == channels_.end()) {
    channels_.emplace(original.get(), copy);
    shared_->store->listen(*original, *copy);
  }
  copy->catch_up();
  return copy;
}

std::shared_ptr<StoreView::Copy> StoreView::copy_of(const std::shared_ptr<Segment>& original) {
  auto& entry = segments_[original.get()];
  if (!entry) {
    entry = std::make_shared<Copy>(*this, original, copy_of(original->shared_channel()));
    original->listeners().add(*entry);
  }
  entry->add_reader();
  entry->catch_up();
  return entry;
}

void StoreView::set_observer(Observer observer) {
  observer_ = std::move(observer);
  const Locked store(*this);
  if (!observer_) return store->set_observer({});
  store->set_observer([this](const std::string& channel, bool added) {
    note(std::make_shared<ObserverNote>(*this, channel, added));
  });
}

CreateStatus StoreView::create(std::string_view name, ChannelOptions options, bool may_create) {
  const Locked store(*this);
  return store->create(name, std::move(options), may_create);
}

WriteGrant StoreView::open_write(const WriteRequest& request, WriterListener& listener) {
  auto writer = std::make_unique<Writer>(*this, listener);
  // As soon as the lock is free another thread may end the writer, of which the listener has not heard yet.
  const Locked store(*this, Locked::Tell::kLater);
  WriteGrant grant = store->open_write(request, writer->listener());
  if (!grant.writer) return grant;
  writer->begin(std::move(grant.writer), copy_of(store->find(request.channel)));
  grant.writer = std::move(writer);
  return grant;
}

ReadGrant StoreView::open_read(std::string_view name, ReadSelector selector) {
  const Locked store(*this);
  ReadGrant grant = store->open_read(name, selector);
  if (grant.channel) grant.channel = copy_of(grant.channel);
  if (grant.segment) grant.segment = copy_of(grant.segment);
  return grant;
}

void StoreView::release(const std::shared_ptr<Segment>& segment) {
  auto& copy = static_cast<Copy&>(*segment);
  decltype(segments_)::node_type last;  // Its bytes are freed without the lock.
  const Locked store(*this);
  if (!copy.remove_reader()) return;
  copy.ChangeListener::unlink();
  last = segments_.extract(copy.original().get());
  store->release(copy.original());
}

std::shared_ptr<Segment> StoreView::follow(const std::shared_ptr<Segment>& current) {
  const auto& copy = static_cast<const Copy&>(*current);
  const Locked store(*this);
  // What has begun meanwhile comes with a note that is on its way.
  if (copy.state() == SegmentState::kWaiting && copy.original()->state() != SegmentState::kWaiting)
    return nullptr;
  const auto next = store->follow(copy.original());
  return next ? copy_of(next) : nullptr;
}

void StoreView::listen(const ChannelHead& head, ChangeListener& listener) {
  const auto found = channels_.find(&static_cast<const ChannelCopy&>(head).original());
  if (found != channels_.end() && found->second.get() == &head) found->second->listeners.add(listener);
}

KeptSegments StoreView::kept(const ChannelHead& head, SegmentNumber above) const {
  const Locked store(*this);
  const auto& channel = static_cast<const ChannelCopy&>(head);
  KeptSegments kept = store->kept(channel.original(), above);
  for (auto& segment : kept.segments) {
    auto copy = std::make_shared<Segment>(channel.shared_from_this(), segment->number());
    copy->catch_up_with(*segment);
    segment = std::move(copy);
  }
  return kept;
}

std::shared_ptr<const ChannelHead> StoreView::find(std::string_view name) const {
  const Locked store(*this);
  const auto head = store->find(name);
  return head ? copy_of(head) : nullptr;
}

CloseStatus StoreView::close_segment(std::string_view name, SegmentNumber number) {
  const Locked store(*this);
  return store->close_segment(name, number);
}

bool StoreView::remove(std::string_view name) {
  const Locked store(*this);
  return store->remove(name);
}

void StoreView::sweep() {
  const Locked store(*this);
  store->sweep();
}

void StoreView::begin_shutdown() {
  const Locked store(*this);
  store->begin_shutdown();
}

bool StoreView::writing() const {
  const Locked store(*this);
  return store->writing();
}

void StoreView::end_shutdown() {
  const Locked store(*this);
  store->end_shutdown();
}

std::vector<ChannelReport> StoreView::report() const {
  const Locked store(*this);
  return store->report();
}

StoreTotals StoreView::totals() const {
  const Locked store(*this);
  return store->totals();
}

}  // namespace trickle
