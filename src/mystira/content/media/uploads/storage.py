"""Where uploads with a key live: one record each, and one for each of their files."""

from mystira.content.media.uploads.model import Upload, UploadedFile
from mystira.polyglot.collection import Collection

UPLOADS = Collection(Upload, container="Uploads", table="uploads")
UPLOADED_FILES = Collection(UploadedFile, container="UploadedFiles", table="uploaded_files", partition="upload_id")

COLLECTIONS = (UPLOADS, UPLOADED_FILES)
