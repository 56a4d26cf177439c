"""A picture or clip at its full size, over the page: the original if it still is there, else the thumbnail enlarged."""

from collections.abc import Sequence
from typing import Any

import PIL.Image
import streamlit as st

from apps.views.captions import escaped
from workbench.bundles.bundle import Bundle
from workbench.bundles.originals import NoOriginal, animated, frames_of_strip, original

ENLARGED = 4
CLIP = 480
"""Pixels of the longer side of a clip's original frames: every frame of it is sent."""


@st.dialog("Picture", width="large")
def show_large(bundle: Bundle, part: dict[str, Any], alt: str) -> None:
    """Return a picture, or a clip that plays, with where it comes from."""
    try:
        pictures, enlarged = original(part), 1
        st.caption(f"The original: {escaped(str(part['source']))}")
    except NoOriginal as error:
        st.caption(f"{escaped(str(error))} This is the thumbnail, enlarged.")
        thumbnail = bundle.picture(part["thumbnail"])
        pictures = [] if thumbnail is None else frames_of_strip(thumbnail, part.get("frames", 1))
        enlarged = ENLARGED
    if not pictures:
        st.info("It cannot be shown.")
    elif part["type"] == "video" and len(pictures) > 1:
        show_clip(pictures, enlarged, alt)
    else:
        picture = pictures[0]
        st.image(picture.resize((picture.width * enlarged, picture.height * enlarged)), alt=alt)


def show_clip(frames: Sequence[PIL.Image.Image], enlarged: int, alt: str) -> None:
    """Return a clip that plays; and its frames one by one, for those who want to see one."""
    for each in frames:
        each.thumbnail((CLIP, CLIP))
    st.image(animated(frames, enlarged=enlarged), alt=alt)
    st.caption(f"{len(frames)} frames, in order of time")
    with st.container(horizontal=True, gap="small"):
        for number, frame in enumerate(frames, start=1):
            st.image(frame, width=frame.width if enlarged > 1 else 120, alt=f"frame {number}")
