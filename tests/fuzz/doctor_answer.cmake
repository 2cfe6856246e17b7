meridian_fuzz(doctor_answer SOURCES doctor_answer.c LINK meridian_cli dns)
