"""Names and numbers as the service's own model limits them."""

from typing import Annotated

from msgspec import Meta

FACE_ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
COLLECTION_ID = r"[a-zA-Z0-9_.\-]{1,255}"
USER_ID = r"[a-zA-Z0-9_.\-:]{1,128}"

CollectionId = Annotated[str, Meta(pattern=rf"\A{COLLECTION_ID}\Z")]
UserId = Annotated[str, Meta(pattern=rf"\A{USER_ID}\Z")]
FaceId = Annotated[str, Meta(pattern=rf"\A{FACE_ID}\Z")]
ExternalImageId = Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9_.\-:]{1,255}\Z")]
RequestToken = Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9\-_]{1,64}\Z")]
Percent = Annotated[float, Meta(ge=0, le=100)]
PageSize = Annotated[int, Meta(ge=0, le=4096)]
MaxFaces = Annotated[int, Meta(ge=1, le=4096)]
MaxUsers = Annotated[int, Meta(ge=1, le=500)]
DEFAULT_THRESHOLD = 80.0
DEFAULT_MAX = 80
# A page may be shorter than it was asked to be; the token says that there is more.
LONGEST_PAGE = 1000
