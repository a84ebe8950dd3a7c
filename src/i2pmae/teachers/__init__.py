"""Frozen 2D models behind one protocol: any Hugging Face vision model of a known family, and the embedded one."""

from i2pmae.teachers.base import Teacher, TeacherMaps
from i2pmae.teachers.catalogue import TEACHERS, TeacherSpec
from i2pmae.teachers.loading import EMBEDDED_FOLDER, load_teacher
from i2pmae.teachers.vision import VisionTeacher

__all__ = ["EMBEDDED_FOLDER", "TEACHERS", "Teacher", "TeacherMaps", "TeacherSpec", "VisionTeacher", "load_teacher"]
