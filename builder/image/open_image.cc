// SPDX-License-Identifier: Apache-2.0
#include "builder/image/open_image.h"

#include <utility>

#include "builder/image/layout_image.h"
#include "builder/image/registry_image.h"
#include "builder/image/unpack_archive.h"

namespace lazybuild::image {
namespace {

// On the pool, so that the reactor hears of an interrupt meanwhile.
io::Task<Result<OciLayout>> unpack(ImagePlace place, std::string directory, Session& session) {
    const io::CancelToken cancel = session.wait().cancel;
    auto job = [&place, &directory, &cancel] {
        return place.kind == ImagePlace::Kind::docker_archive
                   ? unpack_docker_archive(place.path, place.tag, directory, cancel)
                   : unpack_oci_archive(place.path, directory, cancel);
    };
    co_return co_await io::run_on(session.pool(), session.reactor(), std::move(job));
}

Result<std::unique_ptr<ImageSource>> archive_source(const ImagePlace& place, Session& session,
                                                    bool reactor_runs) {
    TRY(TemporaryDirectory directory, TemporaryDirectory::create(session.temporary_directory()));
    auto unpacking = unpack(place, directory.path(), session);
    auto layout =
        reactor_runs ? session.wait_for(std::move(unpacking)) : session.run(std::move(unpacking));
    if (!layout) {
        return fail(std::move(layout).error().context(place.path));
    }
    // What `docker save` wrote has become one image without a name.
    const bool named = place.kind == ImagePlace::Kind::oci_archive;
    return layout_source(*std::move(layout), named ? place.tag : "", place.text(),
                         std::move(directory), session);
}

Result<std::unique_ptr<ImageSource>> open_place(const ImagePlace& place, Session& session,
                                                bool reactor_runs) {
    if (place.kind == ImagePlace::Kind::registry) {
        return registry_source(place.reference, session);
    }
    if (place.kind == ImagePlace::Kind::oci_layout) {
        TRY(OciLayout layout, OciLayout::open(place.path));
        return layout_source(std::move(layout), place.tag, place.text(), TemporaryDirectory{},
                             session);
    }
    return archive_source(place, session, reactor_runs);
}

}  // namespace

Result<std::unique_ptr<ImageSource>> open_source(const ImagePlace& place, Session& session) {
    return open_place(place, session, false);
}

Result<std::unique_ptr<ImageSource>> open_source_blocking(const ImagePlace& place,
                                                          Session& session) {
    return open_place(place, session, true);
}

Result<std::unique_ptr<ImageSource>> origin_source(const store::Origin& origin, Session& session) {
    switch (origin.kind) {
        case store::Origin::Kind::registry: {
            registry::Reference reference;
            reference.repository = {.host = origin.host, .name = origin.path};
            CHECK_OK(registry::check_repository(reference.repository));
            return registry_source(std::move(reference), session);
        }
        case store::Origin::Kind::oci_layout: {
            TRY(OciLayout layout, OciLayout::open(origin.path));
            return layout_source(std::move(layout), "", "oci:" + origin.path, {}, session);
        }
        case store::Origin::Kind::file: break;
    }
    return fail(
        Error{.code = std::errc::not_supported,
              .message = origin.path + ": a blob in a file of its own cannot be read here"});
}

Result<std::unique_ptr<ImageTarget>> open_target(const ImagePlace& place, Session& session) {
    if (place.kind == ImagePlace::Kind::registry) {
        return registry_target(place.reference, session);
    }
    ASSERT(place.kind == ImagePlace::Kind::oci_layout);
    TRY(OciLayout layout, OciLayout::create(place.path));
    return layout_target(std::move(layout), place.tag, place.text(), session);
}

Result<std::optional<codec::Platform>> parse_platform(const std::string& text) {
    if (text.empty()) {
        return std::nullopt;
    }
    TRY(codec::Platform platform, codec::Platform::parse(text));
    return std::optional{std::move(platform)};
}

}  // namespace lazybuild::image
