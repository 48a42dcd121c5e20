/* no_table: a shared object that is no handler module. */
int muster_no_table(void);

int muster_no_table(void)
{
	return 0;
}
