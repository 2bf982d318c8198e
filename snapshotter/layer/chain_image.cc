// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/chain_image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/file.h"
#include "codec/chain_tree.h"
#include "codec/erofs_reader.h"
#include "codec/layer_format.h"
#include "codec/sha256.h"
#include "snapshotter/layer/plain_directory.h"
#include "snapshotter/store/kept_toc.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {
namespace {

/// A lower layer's own metadata image.
class LowerImage final : public codec::LowerTree {
  public:
    static Result<std::unique_ptr<LowerTree>> open(const std::string& path) {
        TRY(Fd file, open_file(path, O_RDONLY));
        TRY(FdAccess access, FdAccess::open(file.get()));
        auto image = std::make_unique<LowerImage>(std::move(file), access);
        TRY(const codec::ErofsReader reader, codec::ErofsReader::open(image->access_));
        image->reader_.emplace(reader);
        return image;
    }
    LowerImage(Fd file, const FdAccess& access) : file_(std::move(file)), access_(access) {}

    Result<std::optional<codec::Node>> look(std::string_view path) override {
        return reader_->look(path);
    }

  private:
    Fd file_;
    FdAccess access_;
    std::optional<codec::ErofsReader> reader_;
};

/// Snapshots keep their numbers, and their content once they are committed; a remote one may be
/// given another layer, whose attributes may differ.
std::string chain_name(std::span<const LowerSnapshot> below) {
    std::string text;
    for (const LowerSnapshot& snapshot : below) {
        text += fmt::format("{}:{}/", std::to_underlying(snapshot.id),
                            snapshot.layer ? std::to_underlying(*snapshot.layer) : 0);
    }
    constexpr std::size_t kShownDigits = 32;
    return codec::sha256(as_bytes(text)).hex().substr(0, kShownDigits);
}

class ChainImages {
  public:
    explicit ChainImages(const store::Store& store) : store_(store) {}

    Result<std::string> path_of(store::LayerId layer, std::span<const LowerSnapshot> below) {
        const std::string directory = store_.layer_directory(layer);
        TRY(const std::optional<store::KeptToc> toc, store::find_kept_toc(directory));
        const bool own = toc && (below.empty() ? toc->whiteouts : toc->bare_directories);
        if (!own) {
            return store::tree_path(directory);
        }
        std::string path = store::chain_path(directory, chain_name(below));
        if (::access(path.c_str(), F_OK) == 0) {
            return path;
        }
        if (auto made = make(directory, *toc, below, path); !made) {
            return fail(std::move(made).error().context("its metadata image for this chain"));
        }
        return path;
    }

  private:
    static Result<codec::FileTree> tree_of(const std::string& directory,
                                           const store::KeptToc& toc) {
        if (toc.format == nullptr) {
            return store::read_layer_index(directory);
        }
        TRY(const Bytes index, store::read_kept_index(directory));
        const codec::IndexPlace place{.offset_bytes = toc.toc_offset_bytes,
                                      .size_bytes = index.size()};
        TRY(codec::Toc parsed, toc.format->read_toc(index, place, std::nullopt));
        return std::move(parsed.tree);
    }

    Result<void> make(const std::string& directory, const store::KeptToc& toc,
                      std::span<const LowerSnapshot> below, const std::string& path) {
        TRY(codec::FileTree tree, tree_of(directory, toc));
        if (below.empty()) {
            CHECK_OK(codec::make_first_layer(tree));
        } else {
            TRY(const auto lowers, open_lowers(below));
            std::vector<codec::LowerTree*> borrowed;
            borrowed.reserve(lowers.size());
            for (const auto& lower : lowers) {
                borrowed.push_back(lower.get());
            }
            CHECK_OK(codec::take_attributes_from_below(tree, borrowed));
        }
        return store::write_chain_tree(tree, codec::sha256(as_bytes(path)), path);
    }

    // Each lower image needs those below it, and most are there already: whoever mounted the
    // layer had them made.
    Result<std::vector<std::unique_ptr<codec::LowerTree>>> open_lowers(
        std::span<const LowerSnapshot> below) {
        std::vector<std::unique_ptr<codec::LowerTree>> lowers;
        for (std::size_t index = 0; index < below.size(); ++index) {
            const LowerSnapshot& snapshot = below[index];
            if (!snapshot.layer) {
                TRY(auto plain, PlainDirectory::open(snapshot.directory));
                lowers.push_back(std::move(plain));
                continue;
            }
            TRY(const std::string path, path_of(*snapshot.layer, below.subspan(index + 1)));
            TRY(auto image, LowerImage::open(path));
            lowers.push_back(std::move(image));
        }
        return lowers;
    }

    const store::Store& store_;
};

}  // namespace

Result<std::string> image_for_chain(const store::Store& store, store::LayerId layer,
                                    std::span<const LowerSnapshot> below) {
    return ChainImages{store}.path_of(layer, below);
}

}  // namespace lazybuild::layer
