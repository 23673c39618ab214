package library

import (
	"context"
)

func (s *Source) Delete(ctx context.Context, study string) error { return ErrReadOnly }
