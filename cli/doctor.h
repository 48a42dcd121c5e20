/* doctor: looks for the usual mistakes, over the API and on this machine. */
#ifndef MUSTER_CLI_DOCTOR_H
#define MUSTER_CLI_DOCTOR_H

struct call;

int doctor_run(struct call *call);

#endif
