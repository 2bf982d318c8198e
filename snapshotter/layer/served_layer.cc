// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/served_layer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "snapshotter/layer/layer_fill.h"

namespace lazybuild::layer {

ServedLayer::ServedLayer(LayerContext& context, store::LayerRecord record,
                         std::shared_ptr<store::LayerFiles> files)
    : context_(context),
      record_(record),
      files_(std::move(files)),
      counters_(std::make_shared<LayerCounters>()),
      refused_(record_.state == store::LayerState::quarantined),
      complete_(record_.state == store::LayerState::complete),
      fill_ended_(context_.reactor),
      fetcher_(std::make_shared<ChunkFetcher>(context_, record_.blob, files_, counters_,
                                              cancel_.token())) {}

Result<std::shared_ptr<ServedLayer>> ServedLayer::open(LayerContext& context,
                                                       const store::LayerRecord& record) {
    TRY(std::unique_ptr<store::LayerFiles> files,
        store::LayerFiles::open(context.store.layer_directory(record.id)));
    return std::shared_ptr<ServedLayer>{new ServedLayer(context, record, std::move(files))};
}

void ServedLayer::read(const std::shared_ptr<ServedLayer>& self, std::uint64_t offset_bytes,
                       fuse::ReadReply reply) {
    if (self->refused_.load(std::memory_order_acquire)) {
        self->refuse(reply);
    } else if (self->files_->has(offset_bytes, reply.size_bytes())) {
        self->answer(offset_bytes, reply);
    } else {
        self->context_.reactor.spawn(serve(self, offset_bytes, std::move(reply)));
    }
}

void ServedLayer::refuse(fuse::ReadReply& reply) const {
    ++counters_->failed_reads;
    reply.error(EIO);
}

void ServedLayer::answer(std::uint64_t offset_bytes, fuse::ReadReply& reply) const {
    Bytes bytes(reply.size_bytes());
    if (auto read = files_->read(offset_bytes, bytes); !read) {
        log::error("a layer's disk cannot be read",
                   {{"layer", record_.blob.text()}, {"error", read.error().message}});
        refuse(reply);
        return;
    }
    reply.data(bytes);
}

io::Task<void> ServedLayer::serve(std::shared_ptr<ServedLayer> self, std::uint64_t offset_bytes,
                                  fuse::ReadReply reply) {
    const Demand demand{self->context_.demand};
    const io::Wait wait{.deadline = io::deadline_in(self->context_.options.read_timeout),
                        .cancel = self->cancel_.token()};
    Result<void> present =
        co_await self->fetcher_->make_present(offset_bytes, reply.size_bytes(), wait);
    if (!present || self->refused_.load(std::memory_order_acquire)) {
        self->refuse(reply);
        if (!present && present.error().code != std::errc::operation_canceled) {
            log::error("a read failed",
                       {{"layer", self->record_.blob.text()}, {"error", present.error().message}});
        }
        co_return;
    }
    auto job = [&self, offset_bytes, &reply] { self->answer(offset_bytes, reply); };
    co_await io::run_on(self->context_.pool, self->context_.reactor, std::move(job));
}

io::Task<Result<void>> ServedLayer::read_into(std::shared_ptr<ServedLayer> self,
                                              std::uint64_t offset_bytes, MutableByteView out,
                                              io::Wait wait) {
    Result<void> done = co_await fetch_into(self, offset_bytes, out, std::move(wait));
    self->counters_->failed_reads += done ? 0 : 1;
    co_return done;
}

io::Task<Result<void>> ServedLayer::fetch_into(std::shared_ptr<ServedLayer> self,
                                               std::uint64_t offset_bytes, MutableByteView out,
                                               io::Wait wait) {
    const std::uint64_t end_bytes = self->disk_size_bytes();
    if (offset_bytes > end_bytes || out.size() > end_bytes - offset_bytes) {
        co_return fail(invalid("a read past the end of a layer's disk"));
    }
    if (!self->files_->has(offset_bytes, out.size())) {
        const Demand demand{self->context_.demand};
        wait.deadline =
            std::min(wait.deadline, io::deadline_in(self->context_.options.read_timeout));
        co_await io::or_return(
            co_await self->fetcher_->make_present(offset_bytes, out.size(), wait));
    }
    if (self->refused_.load(std::memory_order_acquire)) {
        co_return fail(Error{.code = std::errc::permission_denied,
                             .message = "the layer is not served any more"});
    }
    const std::shared_ptr<store::LayerFiles> files = self->files_;
    auto job = [files, offset_bytes, out] { return files->read(offset_bytes, out); };
    co_return co_await io::run_on(self->context_.pool, self->context_.reactor, std::move(job));
}

void ServedLayer::begin_fill(const std::shared_ptr<ServedLayer>& self) {
    if (!self->complete() && !self->refused_.load(std::memory_order_acquire)) {
        self->context_.demand.touch();
        self->context_.reactor.spawn(fill(self));
    }
}

io::Task<void> ServedLayer::fill(std::shared_ptr<ServedLayer> self) {
    LayerFill work{self->context_, self->record_,   self->files_,
                   self->fetcher_, self->counters_, self->cancel_.token()};
    const FillOutcome outcome = co_await work.run();
    if (outcome == FillOutcome::complete) {
        self->complete_.store(true, std::memory_order_release);
    } else if (outcome == FillOutcome::quarantined) {
        retire(self);
    }
    self->fill_ended_.set();
}

io::Task<Result<void>> ServedLayer::await_complete(std::shared_ptr<ServedLayer> self,
                                                   io::Wait wait) {
    if (!self->complete()) {
        co_await io::or_return(co_await self->fill_ended_.wait(std::move(wait)));
    }
    if (!self->complete()) {
        co_return fail(corrupt("the layer could not be verified"));
    }
    co_return Result<void>{};
}

void ServedLayer::retire(const std::shared_ptr<ServedLayer>& self) {
    self->refused_.store(true, std::memory_order_release);
    self->context_.reactor.post([self] { self->cancel_.cancel(); });
}

}  // namespace lazybuild::layer
