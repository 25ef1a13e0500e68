"""What a file is, by the end of its name: one table of our own, so that every machine says the same."""

from __future__ import annotations

UNKNOWN = "application/octet-stream"
_UTF8 = "; charset=utf-8"
# .ts is a segment of a video, as other hosts of static files have it: TypeScript is compiled before it is served
_TYPES = {
    # pages and their code
    "text/html": "html htm",
    "text/css": "css",
    "text/javascript": "js mjs cjs",
    "text/plain": "txt text log conf cfg ini env toml jsx tsx mts cts vue svelte scss sass less py rb go rs c h sh sql",
    "text/markdown": "md markdown",
    "text/mdx": "mdx",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "text/calendar": "ics",
    "text/vcard": "vcf vcard",
    "text/vtt": "vtt",
    "text/yaml": "yaml yml",
    "text/x-component": "htc",
    "text/cache-manifest": "appcache",
    # data
    "application/json": "json map json5 jsonc",
    "application/ld+json": "jsonld",
    "application/geo+json": "geojson topojson",
    "application/manifest+json": "webmanifest",
    "application/feed+json": "jsonfeed",
    "application/x-ndjson": "ndjson jsonl",
    "application/xml": "xml xsl xsd",
    "application/xhtml+xml": "xhtml xht",
    "application/atom+xml": "atom",
    "application/rss+xml": "rss",
    "application/xslt+xml": "xslt",
    "application/gpx+xml": "gpx",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/vnd.google-earth.kmz": "kmz",
    "application/wasm": "wasm",
    "application/vnd.sqlite3": "sqlite sqlite3 db",
    "application/vnd.apache.parquet": "parquet",
    # images
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/apng": "apng",
    "image/jpeg": "jpg jpeg jfif",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/jxl": "jxl",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/bmp": "bmp",
    "image/tiff": "tif tiff",
    "image/x-icon": "ico cur",
    # sound and video
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "audio/ogg": "ogg oga opus",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "audio/midi": "mid midi",
    "video/mp4": "mp4 m4v",
    "video/webm": "webm",
    "video/ogg": "ogv",
    "video/mp2t": "ts m2ts",
    "video/mpeg": "mpg mpeg",
    "video/quicktime": "mov",
    "video/x-msvideo": "avi",
    "video/x-matroska": "mkv",
    "application/vnd.apple.mpegurl": "m3u8",
    "application/dash+xml": "mpd",
    # fonts
    "font/woff2": "woff2",
    "font/woff": "woff",
    "font/ttf": "ttf",
    "font/otf": "otf",
    "font/collection": "ttc",
    "application/vnd.ms-fontobject": "eot",
    # shapes
    "model/gltf+json": "gltf",
    "model/gltf-binary": "glb",
    "model/obj": "obj",
    "model/mtl": "mtl",
    "model/stl": "stl",
    "model/vnd.usdz+zip": "usdz",
    # documents
    "application/pdf": "pdf",
    "application/rtf": "rtf",
    "application/epub+zip": "epub",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    # packages
    "application/zip": "zip",
    "application/gzip": "gz tgz",
    "application/zstd": "zst",
    "application/x-brotli": "br",
    "application/x-bzip2": "bz2",
    "application/x-xz": "xz",
    "application/x-tar": "tar",
    "application/vnd.rar": "rar",
    "application/x-7z-compressed": "7z",
    "application/java-archive": "jar",
    "application/vnd.android.package-archive": "apk",
    "application/x-xpinstall": "xpi",
    "application/x-chrome-extension": "crx",
    "application/x-apple-diskimage": "dmg",
    # keys and signatures
    "application/pgp-signature": "asc sig",
    "application/x-x509-ca-cert": "crt pem der",
}


def _headers() -> dict[str, str]:
    """What is sent for each extension. XML names its own encoding."""
    sent = {}
    for kind, extensions in _TYPES.items():
        textual = kind.startswith("text/") or kind.endswith("json")
        for extension in extensions.split():
            sent[extension] = kind + _UTF8 if textual else kind
    return sent


_BY_EXTENSION = _headers()
# names that mean a type as a whole
_BY_NAME = {
    "apple-app-site-association": "application/json" + _UTF8,
    "license": "text/plain" + _UTF8,
    "readme": "text/plain" + _UTF8,
    "cname": "text/plain" + _UTF8,
}


def mime_of(path: str) -> str:
    """The Content-Type of a file with this path."""
    name = path.rpartition("/")[2].lower()
    stem, dot, extension = name.rpartition(".")
    if dot and stem:
        return _BY_EXTENSION.get(extension, UNKNOWN)
    return _BY_NAME.get(name, UNKNOWN)
