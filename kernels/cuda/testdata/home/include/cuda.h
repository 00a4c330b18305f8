/* found by probe_test.go; not the real header */
